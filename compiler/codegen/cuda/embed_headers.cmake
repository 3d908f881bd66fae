# Writes OUT: CudaHeaders() with the text of each of HEADERS (relative to ROOT).
set(text "#include \"compiler/codegen/cuda/Nvrtc.h\"\n\nnamespace sluice::codegen {\n\nstatic const CudaHeader kHeaders[] = {\n")
foreach(header ${HEADERS})
  file(READ ${ROOT}/${header} content)
  string(APPEND text "    {\"${header}\", R\"CUDA(${content})CUDA\"},\n")
endforeach()
string(APPEND text "};\n\nstd::span<const CudaHeader> CudaHeaders() { return kHeaders; }\n\n}  // namespace sluice::codegen\n")
file(WRITE ${OUT} "${text}")
