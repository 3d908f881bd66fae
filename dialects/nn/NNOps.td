// All ops of `nn`.
#ifndef SLUICE_DIALECTS_NN_NNOPS_TD
#define SLUICE_DIALECTS_NN_NNOPS_TD

include "dialects/nn/NNContractionOps.td"
include "dialects/nn/NNIndexOps.td"
include "dialects/nn/NNLayerOps.td"
include "dialects/nn/NNTokenOps.td"

#endif
