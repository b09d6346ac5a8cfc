// Which sentences of a text are nearest to a question, by the vectors that an embedding model makes of them.
//
//     15_embeddings model.gguf ["question"]
//
// A model of text serves too, if less well: its vectors are the means of what it thinks of each token. A reranker reads
// question and sentence together instead.
#include <algorithm>
#include <iostream>
#include <nibble/nibble.hpp>
#include <string>
#include <vector>

namespace {
const std::vector<std::string> sentences{
    "Bees find their way home by the sun and by what they have seen on their way out.",
    "The kettle had boiled dry before anybody noticed the smell.",
    "A dancing bee tells the others where the flowers are, and how far.",
    "Interest rates were left where they had been since the spring.",
    "In winter the hive is kept warm by thousands of shivering bodies.",
    "Her brother had gone to sea at fourteen and never written since.",
};
}

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 15_embeddings MODEL.gguf [QUESTION]\n";
    return 2;
  }
  const std::string question = argc > 2 ? argv[2] : "How do insects know where they are?";
  const auto model = nibble::any_model::load(argv[1]);
  nibble::embedder_options options;
  if (!model.makes_vectors()) options.pooling = nibble::pooling::mean;
  auto embedder = nibble::embedder::create(model, options);

  std::vector<float> nearness;
  if (embedder.pooling() == nibble::pooling::rank) {
    nearness = embedder.rank(question, sentences);
  } else {
    const std::vector<float> asked = embedder.embed(question);
    const auto vectors = embedder.embed(sentences);  // all in one pass over the weights
    for (const auto& vector : vectors) nearness.push_back(nibble::cosine(asked, vector));
  }
  std::vector<std::pair<float, std::string>> found;
  for (std::size_t i = 0; i < sentences.size(); ++i) found.emplace_back(nearness[i], sentences[i]);
  std::sort(found.rbegin(), found.rend());

  std::cout << question << "  [" << embedder.width() << " numbers, pooling " << name_of(embedder.pooling()) << "]\n";
  for (const auto& [near, sentence] : found) std::cout << near << "  " << sentence << '\n';
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
