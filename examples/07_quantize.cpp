// A model file into a smaller one: a recipe, formats for some tensors by name, and a progress bar.
//
//     07_quantize model-f32.gguf model-Q4_K_M.gguf [Q4_K_M | Q8_0 | ...] ["blk.*.ffn_down.weight=Q6_K" ...]
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <nibble/core/thread_pool.hpp>
#include <nibble/quant/quantize_file.hpp>
#include <string>
#include <system_error>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: 07_quantize SOURCE.gguf RESULT.gguf [RECIPE] [PATTERN=FORMAT ...]\n";
    return 2;
  }
  std::error_code not_there;
  if (std::filesystem::equivalent(nibble::utf8_path(argv[1]), nibble::utf8_path(argv[2]), not_there)) {
    std::cerr << argv[2] << ": the source itself, which would be lost\n";
    return 2;
  }
  auto source = nibble::gguf_file::try_open(nibble::utf8_path(argv[1]));
  auto recipe = nibble::quantize_recipe::try_named(argc > 3 ? argv[3] : "Q4_K_M");
  if (!source || !recipe) {
    std::cerr << (source ? recipe.failure() : source.failure()).what() << '\n';
    return 1;
  }
  for (int i = 4; i < argc; ++i)
    if (auto added = recipe->try_add_override(argv[i]); !added) {
      std::cerr << added.failure().what() << '\n';
      return 1;
    }

  nibble::thread_pool pool;
  nibble::quantize_options options;
  options.executor = pool;
  options.progress = [](const nibble::quantize_progress& at) {
    const auto percent = at.total_bytes ? 100 * at.done_bytes / at.total_bytes : 100;
    std::cerr << '\r' << '[' << std::left << std::setw(25) << std::string(percent / 4, '#') << "] " << percent << "%  "
              << std::setw(32) << at.tensor << std::flush;
    return true;  // false would end the work, and leave no file
  };

  const auto report = nibble::try_quantize_file(*source, nibble::utf8_path(argv[2]), *recipe, options);
  std::cerr << '\n';
  if (!report) {
    std::cerr << report.failure().what() << '\n';
    return 1;
  }
  std::cout << recipe->name << ": " << report->source_bytes << " bytes of tensors became " << report->result_bytes << '\n';
}
