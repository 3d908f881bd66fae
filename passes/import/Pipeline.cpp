// The import phase behind the importer.
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "passes/import/Passes.h"

namespace mlir::sluice::importer {

void buildImportPipeline(OpPassManager& pm) {
  // The importer makes each size and buffer where it needs it: one of each is enough.
  pm.addPass(createCSEPass());
  pm.addPass(createVerifyImportPass());
}

}  // namespace mlir::sluice::importer
