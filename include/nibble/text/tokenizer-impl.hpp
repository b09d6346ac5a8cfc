/// The definitions behind tokenizer.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nibble/gguf/reader.hpp"
#include "nibble/text/merge.hpp"
#include "nibble/text/tokenizer.hpp"
#include "nibble/text/tokenizer_models.hpp"
#include "nibble/text/vocab-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

template <class List>
struct variant_of;
template <class... Models>
struct variant_of<type_list<Models...>> {
  using type = std::variant<Models...>;
};

/// What makes tokens of text between special tokens: one of the tokenizer models.
class word_encoder {
 public:
  template <class Model>
  explicit word_encoder(Model how) : how_(std::move(how)) {}

  tokenizer_habits habits() const noexcept {
    return std::visit([](const auto& model) { return model.habits(); }, how_);
  }
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const {
    std::visit([&](const auto& model) { model.encode(vocabulary, text, fresh, room, out); }, how_);
  }
  std::size_t memory_bytes() const noexcept {
    return std::visit([](const auto& model) { return model.memory_bytes(); }, how_);
  }

 private:
  variant_of<tokenizer_models>::type how_;
};

/// @param bytes  those of the object itself are added
inline result<std::shared_ptr<const word_encoder>> load_encoder(const metadata& meta, const vocab& vocabulary,
                                                                const tokenizer_options& options, std::size_t& bytes) {
  std::shared_ptr<const word_encoder> out;
  NIBBLE_TRY(with_model(meta, [&]<class Model>(std::type_identity<Model>) -> result<void> {
    auto model = Model::try_load(meta, vocabulary, options);
    if (!model) return std::move(model).failure();
    out = std::allocate_shared<word_encoder>(counting_allocator<word_encoder>(bytes), *std::move(model));
    return {};
  }));
  return out;
}

}  // namespace detail

tokenizer::tokenizer(vocab vocabulary, std::shared_ptr<const detail::word_encoder> encoder, std::size_t encoder_bytes) noexcept
    : vocab_(std::move(vocabulary)),
      encoder_(std::move(encoder)),
      encoder_bytes_(encoder_bytes),
      adds_space_(encoder_->habits().adds_space),
      separates_twice_(encoder_->habits().separates_twice) {}

std::size_t tokenizer::memory_bytes() const noexcept {
  return vocab_.memory_bytes() + encoder_bytes_ + encoder_->memory_bytes();
}

result<tokenizer> tokenizer::try_load(const std::filesystem::path& path, const tokenizer_options& options) {
  const auto file = gguf_file::try_open(path, options.limits);
  if (!file) return file.failure();
  auto loaded = try_load(file->meta(), options);
  if (!loaded) return std::move(loaded).failure().in(detail::path_text(path));
  return loaded;
}

result<tokenizer> tokenizer::try_load(const metadata& meta, const tokenizer_options& options) {
  auto vocabulary = vocab::try_load(meta, options);
  if (!vocabulary) return std::move(vocabulary).failure();
  std::size_t encoder_bytes = 0;
  auto encoder = detail::load_encoder(meta, *vocabulary, options, encoder_bytes);
  if (!encoder) return std::move(encoder).failure();
  const tokenizer_habits habits = (*encoder)->habits();
  auto bos = meta.try_get<bool>("tokenizer.ggml.add_bos_token", habits.adds_bos);
  if (!bos) return bos.failure();
  if (habits.always_adds_bos) bos = true;
  const auto eos = meta.try_get<bool>("tokenizer.ggml.add_eos_token", habits.adds_eos);
  if (!eos) return eos.failure();
  tokenizer out(*std::move(vocabulary), *std::move(encoder), encoder_bytes);
  out.adds_bos_ = *bos;
  out.adds_eos_ = *eos;
  const auto lacks = [](std::string_view key, std::string_view name) {
    return detail::tokenizer_error(errc::invalid_tokenizer, key, "true, but there is no tokenizer.ggml." + std::string(name));
  };
  if (*bos && !out.bos()) return lacks("add_bos_token", "bos_token_id");
  if (*eos && !out.eos()) return lacks("add_eos_token", "eos_token_id");
  return out;
}

std::vector<token> tokenizer::encode(std::string_view text, encode_options options) const {
  std::vector<token> out;
  encode(text, out, options);
  return out;
}

bool tokenizer::is_end(token id) const noexcept { return std::binary_search(vocab_.ends().begin(), vocab_.ends().end(), id); }

std::optional<token> tokenizer::find_special(std::string_view name) const noexcept {
  const auto found = vocab_.controls().find(name);
  return found ? found : vocab_.user_defined().find(name);
}

/// One call of encode: the text goes in piece by piece, is joined up to the next control token, and then encoded.
class tokenizer::run {
 public:
  run(const tokenizer& self, std::vector<token>& out, bool fresh) : self_(self), out_(out), fresh_(fresh) {}

  void add(std::string_view text, bool special) {
    const std::size_t end =
        !special ? 0 : each(self_.vocab_.controls(), text, controls_, [&](std::string_view before, token id) {
          joined_ += before;
          finish(id);
          push(id);
        });
    joined_ += text.substr(end);
  }

  /// Encodes what waits, in front of this control token.
  void finish(token next = no_token) {
    const std::string_view text = joined_;
    const std::size_t end = each(self_.vocab_.user_defined(), text, user_defined_, [&](std::string_view before, token id) {
      encode(before, id);
      push(id);
    });
    encode(text.substr(end), next);
    joined_.clear();
  }

 private:
  /// Calls f(the text before it, the token) for each special token of a set. @returns where the last one ends
  template <class F>
  static std::size_t each(const special_tokens& set, std::string_view text, std::vector<special_tokens::match>& room, F&& f) {
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size();) {
      at = set.find_some(text, at, room);
      for (const special_tokens::match& found : room) {
        f(text.substr(end, found.begin - end), found.id);
        end = found.begin + found.size;
      }
    }
    return end;
  }
  void push(token id) {
    out_.push_back(id);
    fresh_ = true;
    previous_ = id;
  }
  void encode(std::string_view text, token next) {
    if (self_.vocab_.strips_behind(previous_)) text.remove_prefix((std::min)(text.find_first_not_of(white), text.size()));
    if (self_.vocab_.strips_before(next)) text = text.substr(0, text.find_last_not_of(white) + 1);
    if (text.empty()) return;
    self_.encoder_->encode(self_.vocab_, text, fresh_, room_, out_);
    fresh_ = false;
  }

  static constexpr std::string_view white = " \t\n\v\f\r";

  const tokenizer& self_;
  std::vector<token>& out_;
  merger room_;
  std::vector<special_tokens::match> controls_, user_defined_;
  std::string joined_;
  token previous_ = no_token;  // the special token before what is encoded next
  bool fresh_;                 // at the beginning, or behind a special token: where a space prefix belongs
};

void tokenizer::encode(std::string_view text, std::vector<token>& out, encode_options options) const {
  NIBBLE_ASSERT(encoder_ != nullptr);
  if (options.bos.value_or(adds_bos_) && bos()) out.push_back(*bos());
  run pass(*this, out, !options.continues);
  pass.add(text, options.special);
  pass.finish();
  if (options.eos.value_or(adds_eos_) && eos()) out.push_back(*eos());
}

std::vector<token> tokenizer::encode(std::span<const prompt_part> parts, encode_options options) const {
  NIBBLE_ASSERT(encoder_ != nullptr);
  std::vector<token> out;
  const bool begins = std::any_of(parts.begin(), parts.end(), [](const prompt_part& part) { return part.begins; });
  if (options.bos.value_or(adds_bos_ || begins) && bos()) out.push_back(*bos());
  run pass(*this, out, !options.continues);
  for (const auto& part : parts) pass.add(part.text, part.special);
  pass.finish();
  if (options.eos.value_or(adds_eos_) && eos()) out.push_back(*eos());
  return out;
}

std::string tokenizer::decode(std::span<const token> tokens) const {
  std::string out;
  for (const token id : tokens) append_piece(id, out);
  if (adds_space_ && out.starts_with(' ')) out.erase(0, 1);
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
