/// Files into other formats.
#include "nibble/quant/quantize_file.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "file/temporary_folder.hpp"
#include "nibble/core/half.hpp"
#include "nibble/core/thread_pool.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/quant/quantize.hpp"
#include "support/files.hpp"

namespace {

using enum nibble::tensor_type;

/// One layer over the rows of the encoder tests: 6 x 1024 floats.
std::vector<std::byte> small_model() {
  static const auto rows = nibble_test::read_all<std::byte>(nibble_test::golden("quant/input_6x1024.f32"));
  nibble::metadata meta;
  meta.set("general.architecture", nibble::value("llama"));
  meta.set("general.name", nibble::value("rows"));
  nibble::gguf_writer writer(std::move(meta));
  writer.add("token_embd.weight", f32, std::vector<std::uint64_t>{1024, 6}, rows);
  writer.add("output_norm.weight", f32, std::vector<std::uint64_t>{1024}, std::span(rows).first(4096));
  writer.add("blk.0.attn_q.weight", f32, std::vector<std::uint64_t>{512, 4, 3}, rows);
  return *writer.try_bytes();
}

}  // namespace

TEST_CASE("a file's tensors become what their rows become, and its keys stay") {
  const nibble_test::temporary_folder folder;
  const auto bytes = small_model();
  const auto source = nibble::gguf_file::try_parse(bytes);
  REQUIRE(source.has_value());
  nibble::quantize_options options;
  options.keys = {{"general.name", nibble::value("rows, quantized")}};
  const auto report =
      nibble::try_quantize_file(*source, folder / "q.gguf", *nibble::quantize_recipe::try_named("Q4_K_M"), options);
  REQUIRE(report.has_value());
  CHECK(report->finished);
  CHECK(report->source_bytes == 2 * 6 * 4096 + 4096);
  CHECK(report->result_bytes == 6 * 840 + 4096 + 12 * 288);
  const auto made = nibble::gguf_file::try_open(folder / "q.gguf");
  REQUIRE(made.has_value());
  CHECK(made->meta().get<std::string_view>("general.architecture") == "llama");
  CHECK(made->meta().get<std::string_view>("general.name") == "rows, quantized");
  CHECK(made->meta().get<std::uint32_t>("general.file_type") == 15);
  CHECK(made->meta().get<std::uint32_t>("general.quantization_version") == 2);

  const auto floats = nibble_test::read_all<float>(nibble_test::golden("quant/input_6x1024.f32"));
  for (const auto& tensor : made->tensors()) {
    CAPTURE(tensor.name);
    const auto* before = source->find(tensor.name);
    REQUIRE(before != nullptr);
    CHECK(before->dims == tensor.dims);
    CHECK(before->n_dims == tensor.n_dims);
    const std::size_t rows = tensor.rows(), cols = tensor.cols();
    std::vector<std::byte> expected(*nibble::try_quantized_bytes(tensor.type, rows, cols));
    REQUIRE(nibble::try_quantize_rows(tensor.type, std::span(floats).first(rows * cols), rows, cols, {}, expected).has_value());
    const auto found = made->bytes(tensor);
    CHECK(std::equal(found.begin(), found.end(), expected.begin(), expected.end()));
  }
  CHECK(made->find("token_embd.weight")->type == q6_k);
  CHECK(made->find("output_norm.weight")->type == f32);
  CHECK(made->find("blk.0.attn_q.weight")->type == q4_k);
}

TEST_CASE("a file is the same for every executor, and importance changes it") {
  const nibble_test::temporary_folder folder;
  const auto bytes = small_model();
  const auto source = nibble::gguf_file::try_parse(bytes);
  REQUIRE(source.has_value());
  const auto recipe = *nibble::quantize_recipe::try_named("Q4_K_M");
  const auto importance = nibble_test::read_all<float>(nibble_test::golden("quant/imatrix_1024.f32"));
  nibble::thread_pool pool(3);
  nibble::quantize_options parallel, weighted, wrong;
  parallel.executor = pool;
  weighted.importance = [&](std::string_view name) {
    return name == "token_embd.weight" ? std::span<const float>(importance) : std::span<const float>();
  };
  wrong.importance = [&](std::string_view) { return std::span<const float>(importance); };
  REQUIRE(nibble::try_quantize_file(*source, folder / "1", recipe).has_value());
  REQUIRE(nibble::try_quantize_file(*source, folder / "2", recipe, parallel).has_value());
  REQUIRE(nibble::try_quantize_file(*source, folder / "3", recipe, weighted).has_value());
  CHECK(nibble_test::read_all(folder / "1") == nibble_test::read_all(folder / "2"));
  CHECK(nibble_test::read_all(folder / "1") != nibble_test::read_all(folder / "3"));
  const auto refused = nibble::try_quantize_file(*source, folder / "4", recipe, wrong);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.failure().code() == nibble::errc::invalid_argument);
  CHECK(std::string(refused.failure().what()).find("blk.0.attn_q.weight': importance weights: expected 512") !=
        std::string::npos);
  CHECK(folder.files() == 3);
}

TEST_CASE("each matrix of a tensor may have an importance of its own") {
  const nibble_test::temporary_folder folder;
  constexpr std::size_t cols = 256, rows = 1'500, matrices = 3;  // more rows than are converted at once
  std::vector<float> values(cols * rows * matrices), importance(cols * matrices);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i % 7'919));
  for (std::size_t i = 0; i < importance.size(); ++i) importance[i] = 0.1f + static_cast<float>((i * 37) % 101);
  nibble::metadata meta;
  meta.set("general.architecture", nibble::value("llama"));
  nibble::gguf_writer writer(std::move(meta));
  writer.add("blk.0.ffn_up_exps.weight", f32, std::vector<std::uint64_t>{cols, rows, matrices},
             std::as_bytes(std::span(values)));
  const auto bytes = *writer.try_bytes();
  const auto source = nibble::gguf_file::try_parse(bytes);
  REQUIRE(source.has_value());
  nibble::quantize_options options;
  options.importance = [&](std::string_view) { return std::span<const float>(importance); };
  REQUIRE(nibble::try_quantize_file(*source, folder / "q", *nibble::quantize_recipe::try_named("Q4_K_S"), options).has_value());
  std::vector<std::byte> expected;
  for (std::size_t m = 0; m < matrices; ++m) {
    std::vector<std::byte> one(*nibble::try_quantized_bytes(q4_k, rows, cols));
    REQUIRE(nibble::try_quantize_rows(q4_k, std::span<const float>(values).subspan(m * rows * cols, rows * cols), rows, cols,
                                      std::span<const float>(importance).subspan(m * cols, cols), one));
    expected.insert(expected.end(), one.begin(), one.end());
  }
  const auto made = nibble::gguf_file::try_open(folder / "q");
  REQUIRE(made.has_value());
  const auto found = made->bytes(made->tensors()[0]);
  CHECK(std::equal(found.begin(), found.end(), expected.begin(), expected.end()));
  importance.pop_back();
  const auto refused =
      nibble::try_quantize_file(*source, folder / "none", *nibble::quantize_recipe::try_named("Q4_K_S"), options);
  REQUIRE_FALSE(refused.has_value());
  CHECK(std::string(refused.failure().what()).find("expected 256, or so many for each of 3 matrices, found 767") !=
        std::string::npos);
}

TEST_CASE("what is written holds to the limits of its source") {
  const nibble_test::temporary_folder folder;
  const auto bytes = small_model();
  const auto source = nibble::gguf_file::try_parse(bytes);
  REQUIRE(source.has_value());
  nibble::quantize_options options;
  options.limits.tensors = 2;
  const auto refused = nibble::try_quantize_file(*source, folder / "q", *nibble::quantize_recipe::try_named("Q8_0"), options);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.failure().code() == nibble::errc::limit_exceeded);
}

TEST_CASE("progress counts up to the end, and ending the work leaves no file") {
  const nibble_test::temporary_folder folder;
  const auto bytes = small_model();
  const auto source = nibble::gguf_file::try_parse(bytes);
  REQUIRE(source.has_value());
  const auto recipe = *nibble::quantize_recipe::try_named("Q8_0");
  std::uint64_t last = 0;
  std::string names;
  nibble::quantize_options options;
  options.progress = [&](const nibble::quantize_progress& at) {
    CHECK(at.done_bytes > last);
    CHECK(at.total_bytes == 2 * 6 * 4096 + 4096);
    last = at.done_bytes;
    (names += at.tensor) += ' ';
    return true;
  };
  REQUIRE(nibble::try_quantize_file(*source, folder / "all.gguf", recipe, options).has_value());
  CHECK(last == 2 * 6 * 4096 + 4096);
  CHECK(names == "token_embd.weight output_norm.weight blk.0.attn_q.weight ");
  CHECK(folder.files() == 1);

  options.progress = [](const nibble::quantize_progress& at) { return at.tensor != "output_norm.weight"; };
  const auto report = nibble::try_quantize_file(*source, folder / "part.gguf", recipe, options);
  REQUIRE(report.has_value());
  CHECK_FALSE(report->finished);
  CHECK(folder.files() == 1);
}

TEST_CASE("a quantized file can be the source, and what cannot be decoded is told by name") {
  const nibble_test::temporary_folder folder;
  const auto bytes = small_model();
  const auto source = nibble::gguf_file::try_parse(bytes);
  REQUIRE(source.has_value());
  REQUIRE(nibble::try_quantize_file(*source, folder / "8", *nibble::quantize_recipe::try_named("Q8_0")).has_value());
  const auto eight = nibble::gguf_file::try_open(folder / "8");
  REQUIRE(eight.has_value());
  const auto smaller = nibble::try_quantize_file(*eight, folder / "4", *nibble::quantize_recipe::try_named("Q4_K_M"));
  REQUIRE(smaller.has_value());
  CHECK(smaller->result_bytes == 6 * 840 + 4096 + 12 * 288);

  nibble::metadata meta;
  meta.set("general.architecture", nibble::value("llama"));
  nibble::gguf_writer writer(std::move(meta));
  const std::vector<std::byte> blocks(2 * 292);
  writer.add("blk.0.attn_q.weight", nibble::detail::raw_type(15), std::vector<std::uint64_t>{256, 2}, blocks);
  const auto strange_bytes = *writer.try_bytes();
  const auto strange = nibble::gguf_file::try_parse(strange_bytes);
  REQUIRE(strange.has_value());
  const auto refused = nibble::try_quantize_file(*strange, folder / "x", *nibble::quantize_recipe::try_named("Q8_0"));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.failure().code() == nibble::errc::unknown_format);
  CHECK(std::string(refused.failure().what()).find("blk.0.attn_q.weight': weight format Q8_K") != std::string::npos);
  CHECK(folder.files() == 2);
}

TEST_CASE("the tiny model comes out as small as from the published quantizer") {
  const auto path = nibble_test::shared("models/nibble-tiny-f32.gguf");
  NIBBLE_NEEDS(path);
  const nibble_test::temporary_folder folder;
  const auto source = nibble::gguf_file::try_open(path);
  REQUIRE(source.has_value());
  nibble::thread_pool pool;
  nibble::quantize_options options;
  options.executor = pool;
  for (const auto& [name, bytes] : {std::pair{"Q8_0", 5'439'776u}, {"Q6_K", 4'217'632u}, {"Q4_K_M", 3'169'824u}}) {
    const auto report = nibble::try_quantize_file(*source, folder / name, *nibble::quantize_recipe::try_named(name), options);
    REQUIRE(report.has_value());
    // Two more keys would be 80 bytes; the data is aligned to 32.
    CHECK(std::filesystem::file_size(folder / name) <= bytes + 128);
  }
}

TEST_CASE("the committed tiny model has the formats of Q4_K_M and the keys of its source") {
  const auto model = nibble::gguf_file::try_open(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  REQUIRE(model.has_value());
  CHECK(model->file_bytes() <= 3'201'522);
  CHECK(model->meta().get<std::uint32_t>("general.file_type") == 15);
  CHECK(model->meta().get<std::string_view>("general.architecture") == "gemma3");
  const auto types = nibble::quantize_recipe::try_named("Q4_K_M")->plan(*model);
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (model->tensors()[i].name.ends_with("attn_v.weight")) continue;  // an older recipe gave them five bits
    CHECK(types[i] == model->tensors()[i].type);
  }
  const auto path = nibble_test::shared("models/nibble-tiny-f32.gguf");
  NIBBLE_NEEDS(path);
  const auto source = nibble::gguf_file::try_open(path);
  REQUIRE(source.has_value());
  CHECK(model->meta().size() == source->meta().size() + 2);
  for (const auto& entry : source->meta()) {
    CAPTURE(entry.key);
    const auto* kept = model->meta().find(entry.key);
    REQUIRE(kept != nullptr);
    const auto bytes = entry.value.bytes();
    CHECK(std::equal(kept->bytes().begin(), kept->bytes().end(), bytes.begin(), bytes.end()));
  }
}

namespace {
/// One matrix of (4, 16), which most formats make F16, and a norm, with a value of the caller's.
std::vector<std::byte> model_with(float value, const char* where, nibble::tensor_type type = f32) {
  std::vector<float> matrix(64, 0.5f), norm(16, 1.0f);
  (std::string_view(where) == "output_norm.weight" ? norm : matrix)[std::string_view(where) == "output_norm.weight" ? 3 : 40] =
      value;
  nibble::metadata meta;
  meta.set("general.architecture", nibble::value("llama"));
  nibble::gguf_writer writer(std::move(meta));
  std::vector<std::byte> packed(type == f32 ? 256 : 128);
  if (type == f32) {
    std::memcpy(packed.data(), matrix.data(), packed.size());
  } else {
    for (std::size_t i = 0; i < 64; ++i) {
      const auto bits = nibble::to_half(matrix[i]).bits;
      std::memcpy(packed.data() + 2 * i, &bits, 2);
    }
  }
  writer.add("token_embd.weight", type, std::vector<std::uint64_t>{16, 4}, packed);
  writer.add("output_norm.weight", f32, std::vector<std::uint64_t>{16}, std::as_bytes(std::span(norm)));
  return *writer.try_bytes();
}
}  // namespace

TEST_CASE("no file with an infinity is written: the tensor and the row are told") {
  const nibble_test::temporary_folder folder;
  const auto refusal = [&](const std::vector<std::byte>& bytes, const char* recipe,
                           const char* override_ = nullptr) -> std::string {
    const auto source = nibble::gguf_file::try_parse(bytes);
    REQUIRE(source);
    auto how = *nibble::quantize_recipe::try_named(recipe);
    if (override_) REQUIRE(how.try_add_override(override_));
    const auto report = nibble::try_quantize_file(*source, folder / "out", how);
    if (report) return {};
    CHECK(report.failure().code() == nibble::errc::invalid_argument);
    CHECK(folder.files() == 0);
    return std::string(report.failure().what()).substr((folder / "out").string().size());
  };
  const std::string embedding = ": tensor 'token_embd.weight': row 2, column 8: ";
  for (const char* recipe : {"F16", "Q8_0", "Q4_K_M"})  // rows of 16 are F16 in all of them
    CHECK(refusal(model_with(2.05e5f, "token_embd.weight"), recipe) == embedding + "205000 is beyond the range of F16");
  CHECK(refusal(model_with(NAN, "token_embd.weight"), "F32") == embedding + "nan is no weight, and cannot be F32");
  CHECK(refusal(model_with(INFINITY, "token_embd.weight", f16), "F16") == embedding + "inf is no weight, and cannot be F16");
  CHECK(refusal(model_with(-INFINITY, "output_norm.weight"), "Q8_0") ==
        ": tensor 'output_norm.weight': row 0, column 3: -inf is no weight, and cannot be F32");
  CHECK(refusal(model_with(2.05e5f, "token_embd.weight"), "F16", "token_embd.weight=BF16") == "");
}

TEST_CASE("an override that decides about no matrix is an error") {
  const nibble_test::temporary_folder folder;
  const auto bytes = small_model();
  const auto source = nibble::gguf_file::try_parse(bytes);
  REQUIRE(source);
  for (const char* pattern : {"blk.*.atn_q.weight", "output_norm.weight", "blk.1.*"}) {
    auto recipe = *nibble::quantize_recipe::try_named("Q8_0");
    REQUIRE(recipe.try_add_override("blk.*=F16"));
    REQUIRE(recipe.try_add_override(std::string(pattern) + "=Q8_0"));
    const auto report = nibble::try_quantize_file(*source, folder / "out", recipe);
    REQUIRE(!report);
    CHECK(report.failure().code() == nibble::errc::invalid_argument);
    CHECK(std::string(report.failure().what()) == "override '" + std::string(pattern) + "' matches no matrix of the file");
    CHECK(folder.files() == 0);
  }
}
