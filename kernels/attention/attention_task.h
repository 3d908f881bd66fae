// One task of attention: some query rows of one key head against a range of keys (kernels/attention/README.md).
#ifndef SLUICE_KERNELS_ATTENTION_ATTENTION_TASK_H_
#define SLUICE_KERNELS_ATTENTION_ATTENTION_TASK_H_

#include "kernels/attention/attention_problem.h"

namespace sluice::kernels {

// The running state of rows: max [rows], sum [rows], x [rows][e16], all f32.
struct RowStates {
  float* max;
  float* sum;
  float* x;
  static int64_t Floats(int64_t rows, int64_t e16) { return rows * (e16 + 2); }
  static RowStates In(float* memory, int64_t rows) { return {memory, memory + rows, memory + 2 * rows}; }
};

class AttentionTask {
 public:
  // `workspace`: Workspace(d, e16) bytes of this thread.
  AttentionTask(const AttentionProblem& problem, const AttentionTasks& tasks, int64_t index, void* workspace);
  static int64_t Workspace(int64_t d, int64_t e16);

  int64_t rows() const { return heads_ * queries_; }
  // Packs the queries; once before Split.
  void Prepare();
  // The state of all rows over the keys of split `split` alone.
  void Split(int64_t split, RowStates states);
  // Adds the state of one split to that of all before it.
  void Merge(RowStates states, RowStates split) const;
  static void Clear(RowStates states, int64_t rows, int64_t e16);
  // Divides by the sums and writes the rows of the output.
  void Write(RowStates states) const;
  // Splits that hold keys some row may see.
  int64_t FirstSplit() const { return first_key_ / kSplitKeys; }
  int64_t EndSplit() const { return first_key_ >= end_key_ ? FirstSplit() : (end_key_ + kSplitKeys - 1) / kSplitKeys; }
  // The task's first row among all rows of the launch: tasks have disjoint ranges in [0, b * h * s).
  int64_t FirstRow() const { return first_row_; }

 private:
  int64_t Head(int64_t row) const { return head_ + row / queries_; }
  int64_t Query(int64_t row) const { return query_ + row % queries_; }
  int64_t Position(int64_t row) const { return valid_ - p_.s + Query(row); }
  void Chunk(int64_t key, int64_t n, RowStates states);
  void PackK(int64_t key, int64_t n);
  void PackV(int64_t key, int64_t n, TileArgs* args);
  void PackVisible(int64_t key, int64_t n);
  const float* Bias(int64_t row, int64_t key, int64_t n);

  const AttentionProblem& p_;
  const AttentionOps& ops_;
  const GemmOps& gemm_;
  int64_t batch_, key_head_, head_, heads_, query_, queries_, first_row_;
  int64_t valid_, first_key_, end_key_;
  bool key_rows_;  // k is contiguous along d
  // In the workspace:
  float* q_;        // panels [d][panel rows]
  float* k_;        // [4][d][16]
  float* v_;        // [64][e16]
  float* scores_;   // [rows][64]
  float* gather_;   // [64][d]: keys that are not contiguous
  float* visible_;  // [64]
  float* bias_;     // [64]
};

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_ATTENTION_ATTENTION_TASK_H_
