// Loops → LLVM dialect → LLVM IR, joined with vector_math.c → optimised → object file.
#include <mutex>

#include "compiler/codegen/cpu/GeneratedKernels.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/IPO/Internalize.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"

// vector_math.bc, embedded by the build.
extern "C" const char kVectorMathBegin[];
extern "C" const char kVectorMathEnd[];

namespace mlir::sluice::codegen {
namespace {

constexpr const char* kTriple = "x86_64-unknown-linux-gnu";

// To the LLVM dialect: loops to branches, arith and math to LLVM.
LogicalResult lower(ModuleOp module) {
  PassManager pm(module.getContext());
  pm.enableVerifier(false);
  pm.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  return pm.run(module);
}

std::unique_ptr<llvm::TargetMachine> targetMachine(const std::string& isa) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  std::string error;
  llvm::Triple triple(kTriple);
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
  // v4 prefers 256-bit vectors by default in LLVM; element-wise kernels are bound by memory, either is right.
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, isa, "", llvm::TargetOptions(), llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default));
}

// Links vector_math in and leaves only the kernels visible.
LogicalResult addVectorMath(llvm::Module& module, Location loc) {
  llvm::StringRef bytes(kVectorMathBegin, kVectorMathEnd - kVectorMathBegin);
  auto math = llvm::parseBitcodeFile(llvm::MemoryBufferRef(bytes, "vector_math"), module.getContext());
  if (!math) {
    return emitError(loc, "the embedded vector_math bitcode is unreadable: ") << llvm::toString(math.takeError());
  }
  (*math)->setTargetTriple(module.getTargetTriple());
  (*math)->setDataLayout(module.getDataLayout());
  if (llvm::Linker::linkModules(module, std::move(*math), llvm::Linker::LinkOnlyNeeded)) {
    return emitError(loc, "vector_math does not link");
  }
  llvm::internalizeModule(module, [](const llvm::GlobalValue& value) { return !value.getName().starts_with("sl_"); });
  return success();
}

void optimise(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.SLPVectorization = false;
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  // No library: nothing may become a call of memset, memcpy or libm.
  llvm::TargetLibraryInfoImpl none(machine.getTargetTriple());
  none.disableAllFunctions();
  fam.registerPass([&] { return llvm::TargetLibraryAnalysis(none); });
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, mam);
}

void dumpText(const llvm::Module& module, const std::string& directory, const std::string& name) {
  std::error_code error;
  llvm::raw_fd_ostream os(directory + "/" + name, error);
  if (!error) {
    module.print(os, nullptr);
  }
}

}  // namespace

FailureOr<std::vector<char>> emitObject(ModuleOp source, const std::string& isa, const std::string& dumpDirectory) {
  OwningOpRef<ModuleOp> module = source.clone();
  Location loc = module->getLoc();
  DialectRegistry registry;
  registerAllToLLVMIRTranslations(registry);
  module->getContext()->appendDialectRegistry(registry);
  if (failed(lower(*module))) {
    return emitError(loc, "generated kernels do not lower to LLVM");
  }
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(*module, context, "kernels");
  if (!ir) {
    return emitError(loc, "generated kernels do not translate to LLVM IR");
  }
  std::unique_ptr<llvm::TargetMachine> machine = targetMachine(isa);
  ir->setTargetTriple(machine->getTargetTriple());
  ir->setDataLayout(machine->createDataLayout());
  if (failed(addVectorMath(*ir, loc))) {
    return failure();
  }
  for (llvm::Function& function : *ir) {
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", isa);
      function.removeFnAttr("target-features");
      function.removeFnAttr("tune-cpu");
    }
  }
  optimise(*ir, *machine);
  if (!dumpDirectory.empty()) {
    dumpText(*ir, dumpDirectory, "kernels-" + isa + ".ll");
  }
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream os(object);
  llvm::legacy::PassManager emit;
  machine->addPassesToEmitFile(emit, os, nullptr, llvm::CodeGenFileType::ObjectFile);
  emit.run(*ir);
  return std::vector<char>(object.begin(), object.end());
}

FailureOr<std::vector<CpuLibrary>> compileKernels(MLIRContext& context, ArrayRef<GeneratedKernel> kernels,
                                                  const CpuCodegenOptions& options) {
  std::vector<CpuLibrary> libraries;
  if (kernels.empty()) {
    return libraries;
  }
  FailureOr<OwningOpRef<ModuleOp>> module = emitLoops(context, kernels);
  if (failed(module)) {
    return failure();
  }
  std::vector<std::string> names;
  for (const GeneratedKernel& kernel : kernels) {
    names.push_back(kernel.name);
  }
  for (const std::string& isa : options.isas) {
    FailureOr<std::vector<char>> object = emitObject(**module, isa, options.dumpDirectory);
    FailureOr<std::vector<char>> linked = failed(object) ? object : linkSharedObject(context, *object, names);
    if (failed(linked)) {
      return failure();
    }
    libraries.push_back({isa, std::move(*linked)});
  }
  return libraries;
}

}  // namespace mlir::sluice::codegen
