#include "compiler/onnx/OpContext.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::onnx_import {

const OpDefinition* findOpDefinition(StringRef domain, StringRef name, int version) {
  static const llvm::StringMap<SmallVector<const OpDefinition*, 1>> table = [] {
    llvm::StringMap<SmallVector<const OpDefinition*, 1>> all;
    for (ArrayRef<OpDefinition> family :
         {elementwiseOps(), activationOps(), shapeOps(), reduceOps(), contractionOps(), poolOps(), normOps(),
          indexOps(), quantOps(), recurrentOps(), controlOps(), attentionOps(), contribOps()}) {
      for (const OpDefinition& definition : family) {
        all[(llvm::Twine(definition.domain) + ":" + definition.name).str()].push_back(&definition);
      }
    }
    return all;
  }();
  auto it = table.find((domain + ":" + name).str());
  if (it == table.end()) {
    return nullptr;
  }
  for (const OpDefinition* definition : it->second) {
    if (version >= definition->since && version <= definition->until) {
      return definition;
    }
  }
  return nullptr;
}

}  // namespace mlir::onnx_import
