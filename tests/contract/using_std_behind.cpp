/// A host that opens both namespaces, and then uses what most programs use of either by its bare name. Two names of nibble.hpp
/// must be written out beside std's: nibble::errc, and nibble::error where a C header declares a function error().
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "nibble/nibble.hpp"

using namespace std;
using namespace nibble;

int using_both(const string& path) {
  const load_options options{.threads = 2, .memory_cap = size_t{1} << 30};
  const any_model model = any_model::load(path, options);
  const gguf_file file = gguf_file::open(path);
  const result<memory_plan> plan = any_model::try_plan(file, {.context = 64});
  session talk(model, {.context = 64});
  map<token, float> seen;
  for (auto& event :
       talk.generate("Hi", {.max_tokens = 4, .sampler = temperature{0.8f} | top_k{40} | top_p{0.9f} | min_p{0.1f}})) {
    cout << event.text << fixed << abs(event.logprob) << exp(1.0);
    seen[event.id] = max(seen[event.id], event.logprob);
  }
  const vector<chat_message> messages{{"user", "Hi"}};
  if (auto reply = talk.try_chat(messages)) cout << int(reply->reason() == finish::none);
  auto scores = evaluator::try_create(model);
  auto batch = batch_evaluator::try_create(model, 2);
  thread_pool pool(2);
  executor_ref where(pool);
  where.run(3, [](size_t) {});
  const quantize_recipe recipe = quantize_recipe::named("Q8_0");
  const half one = to_half(1.0f);
  try {
    throw nibble::error(nibble::errc::io, "x");
  } catch (const exception& e) {
    cout << e.what() << version_text << float(one) << recipe.name;
  }
  return int(count_if(messages.begin(), messages.end(), [](auto& m) { return !m.content.empty(); }) + min(1, 2) +
             clamp(1, 2, 3)) +
         int(plan && scores && batch && version >= version_number{0, 1, 0});
}
