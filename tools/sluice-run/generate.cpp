// --prompt and --ids: continues a text, token by token.
#include "runtime/api/generate.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "runtime/base/json_writer.h"
#include "runtime/text/generation_config.h"
#include "runtime/text/stream_decoder.h"
#include "runtime/text/tokenizer.h"
#include "tools/sluice-run/options.h"

namespace sluice::tools {
namespace {

constexpr int kTopLogits = 5;

absl::StatusOr<std::vector<int64_t>> ParseIds(const std::string& text, const char* flag) {
  std::vector<int64_t> ids;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int64_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0 || (next != end && *next != ',')) {
      return absl::InvalidArgumentError(absl::StrFormat("%s: '%s' (give token ids like 1,2,3)", flag, text));
    }
    ids.push_back(id);
    at = next == end ? end : next + 1;
  }
  return ids;
}

// What the prompt, the files beside the model and the flags say.
struct Request {
  std::optional<text::Tokenizer> tokenizer;
  std::vector<int64_t> prompt;
  api::GenerateOptions options;
};

// The folder of the tokenizer: --tokenizer, or the artifact's own when one lies there; "" when there is none.
std::string TokenizerDir(const RunOptions& options) {
  if (!options.tokenizer.empty()) {
    return options.tokenizer;
  }
  std::filesystem::path dir = std::filesystem::path(options.artifact).parent_path();
  dir = dir.empty() ? "." : dir;
  return std::filesystem::exists(dir / "tokenizer.json") ? dir.string() : "";
}

absl::StatusOr<Request> MakeRequest(const RunOptions& options) {
  Request request;
  const std::string dir = TokenizerDir(options);
  if (!dir.empty()) {
    ASSIGN_OR_RETURN(request.tokenizer, text::Tokenizer::Load(dir));
    ASSIGN_OR_RETURN(const text::GenerationConfig config, text::GenerationConfig::Load(dir, *request.tokenizer));
    request.options.eos.assign(config.eos_ids.begin(), config.eos_ids.end());
    request.options.sampling = config.Sampling(static_cast<uint64_t>(options.seed));
    request.options.max_tokens = config.max_new_tokens > 0 ? config.max_new_tokens : request.options.max_tokens;
  }
  if (options.has_prompt) {
    if (!request.tokenizer) {
      return absl::InvalidArgumentError("--prompt: no tokenizer (give its folder with --tokenizer DIR, or --ids)");
    }
    ASSIGN_OR_RETURN(const std::vector<int32_t> ids, request.tokenizer->Encode(options.prompt));
    request.prompt.assign(ids.begin(), ids.end());
  } else {
    ASSIGN_OR_RETURN(request.prompt, ParseIds(options.ids, "--ids"));
  }
  if (!options.eos.empty()) {
    ASSIGN_OR_RETURN(request.options.eos, ParseIds(options.eos, "--eos"));
  }
  text::SamplingParams& sampling = request.options.sampling;
  sampling.seed = static_cast<uint64_t>(options.seed);
  if (options.temperature >= 0) {
    sampling.temperature = static_cast<float>(options.temperature);
  } else if ((options.top_k >= 0 || options.top_p >= 0) && sampling.temperature == 0) {
    sampling.temperature = 1;  // asking for top-k or top-p asks for sampling
  }
  sampling.top_k = options.top_k >= 0 ? static_cast<int32_t>(options.top_k) : sampling.top_k;
  sampling.top_p = options.top_p >= 0 ? static_cast<float>(options.top_p) : sampling.top_p;
  request.options.logits = options.json;
  request.options.max_tokens = options.max_tokens >= 0 ? options.max_tokens : request.options.max_tokens;
  return request;
}

absl::Status AddTop(const exec::Decoder::Row& row, JsonWriter& steps) {
  text::TokenLogit top[kTopLogits];
  ASSIGN_OR_RETURN(const int64_t n, text::TopLogits({row.data, row.dtype, row.size}, top));
  steps.BeginObject().Key("top").BeginArray();
  for (int64_t i = 0; i < n; ++i) {
    steps.BeginArray().Value(top[i].id).Value(top[i].logit).EndArray();
  }
  steps.EndArray().EndObject();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExitCode> RunGenerate(const RunOptions& options, exec::Context& context, double load_ms) {
  ASSIGN_OR_RETURN(const Request request, MakeRequest(options));
  JsonWriter json;
  json.BeginObject().Field("prompt_ids", request.prompt).Key("steps").BeginArray();
  std::optional<text::StreamDecoder> stream;
  if (request.tokenizer) {
    stream.emplace(&*request.tokenizer, std::vector<int32_t>(request.prompt.begin(), request.prompt.end()));
  }
  std::string all_text;
  absl::Status failed;
  const auto show = [&](const std::string& piece) {
    all_text += piece;
    if (!options.json) {
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    }
  };
  const auto on_step = [&](const api::Step& step) {
    if (options.json) {
      failed = AddTop(step.logits, json);
    }
    if (step.is_eos) {
      return failed.ok();
    }
    if (stream) {
      absl::StatusOr<std::string> piece = stream->Push(static_cast<int32_t>(step.token));
      failed = failed.ok() ? piece.status() : failed;
      show(piece.ok() ? *piece : "");
    } else if (!options.json) {
      show(absl::StrFormat("%s%d", all_text.empty() ? "" : " ", step.token));
    }
    return failed.ok();
  };
  ASSIGN_OR_RETURN(const api::GenerateStats stats, api::Generate(context, request.prompt, request.options, on_step));
  RETURN_IF_ERROR(failed);
  if (stream) {
    ASSIGN_OR_RETURN(const std::string rest, stream->Finish());
    show(rest);
  }
  json.EndArray().Field("ids", stats.tokens).Field("text", request.tokenizer ? all_text : "");
  json.Field("load_ms", load_ms)
      .Field("prefill_ms", stats.prefill_ms)
      .Field("decode_tok_s", stats.decode_tokens_per_second())
      .EndObject();
  if (options.json) {
    std::printf("%s\n", json.text().c_str());
  } else {
    std::printf("\n");
    std::fflush(stdout);
  }
  if (!options.quiet) {
    std::fprintf(stderr, "%s: loaded in %.0f ms, prompt of %zu tokens in %.0f ms, %zu tokens at %.1f a second\n",
                 kRunTool, load_ms, request.prompt.size(), stats.prefill_ms, stats.tokens.size(),
                 stats.decode_tokens_per_second());
  }
  return kExitOk;
}

}  // namespace sluice::tools
