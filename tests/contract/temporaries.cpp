// What would outlive the object that lends it does not compile on a temporary one: in `for (auto& x : make().x())` it is gone
// before the loop begins. What is done at once, or given away, does.
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/nibble.hpp"
#include "nibble/tensor/tensor.hpp"

namespace {
using namespace nibble;
using matrix = tensor<float, 2>;

// Whether `expression` compiles where x is of this type: an lvalue reference, or a temporary.
#define LENT(name, expression)       \
  template <class X>                 \
  concept name = requires(X && of) { \
    static_cast<X&&>(of).expression; \
  };

LENT(generates, generate("", generate_options{}))
LENT(generates_from_tokens, generate(std::vector<token>(), generate_options{}))
LENT(tries_to_generate, try_generate(std::vector<token>(), generate_options{}))
LENT(chats, chat(std::vector<chat_message>(), generate_options{}))
LENT(chats_in_form, chat(std::vector<chat_message>(), chat_template::gemma(), generate_options{}))
LENT(chats_with_tools, chat(std::vector<chat_message>(), chat_options{}))
LENT(tries_to_chat_with_tools, try_chat(std::vector<chat_message>(), chat_options{}))
LENT(tries_to_chat, try_chat(std::vector<chat_message>(), generate_options{}))
LENT(tries_to_chat_in_form, try_chat(std::vector<chat_message>(), chat_template::gemma(), generate_options{}))
LENT(generates_at_once, generate("", generate_options{}, [](const token_event&) {}))
LENT(tokens, tokens())
LENT(stats, stats())
LENT(its_tokenizer, tokenizer())
LENT(its_model, model())
LENT(begins, begin())
LENT(options, options())
LENT(logits, logits())
LENT(logits_of, logits(0))
LENT(template_text, chat_template())
LENT(tensors, tensors())
LENT(finds, find("x"))
LENT(metadata, meta())
LENT(piece, piece(0))
LENT(vocabulary, vocabulary())
LENT(bytes, bytes())
LENT(view, view())
LENT(elements, elements())
LENT(row, row(0))
#undef LENT

#define CHECK_LENT(concept_name, type) static_assert(concept_name<type&> && !concept_name<type> && !concept_name<const type>)
CHECK_LENT(generates, session);
CHECK_LENT(generates_from_tokens, session);
CHECK_LENT(tries_to_generate, session);
CHECK_LENT(chats, session);
CHECK_LENT(chats_in_form, session);
CHECK_LENT(tries_to_chat, session);
CHECK_LENT(tries_to_chat_in_form, session);
CHECK_LENT(chats_with_tools, session);
CHECK_LENT(tries_to_chat_with_tools, session);
CHECK_LENT(tokens, session);
CHECK_LENT(stats, session);
CHECK_LENT(its_tokenizer, session);
CHECK_LENT(its_model, session);
CHECK_LENT(begins, generation);
CHECK_LENT(stats, generation);
CHECK_LENT(options, event_builder);
CHECK_LENT(logits, evaluator);
CHECK_LENT(its_model, evaluator);
CHECK_LENT(logits_of, batch_evaluator);
CHECK_LENT(its_tokenizer, any_model);
CHECK_LENT(template_text, any_model);
CHECK_LENT(tensors, gguf_file);
CHECK_LENT(finds, gguf_file);
CHECK_LENT(piece, tokenizer);
CHECK_LENT(vocabulary, tokenizer);
CHECK_LENT(bytes, mapped_file);
CHECK_LENT(view, matrix);
CHECK_LENT(elements, matrix);
CHECK_LENT(row, matrix);
#undef CHECK_LENT

static_assert(generates_at_once<session&> && generates_at_once<session>);
static_assert(metadata<gguf_file> && std::same_as<decltype(std::declval<gguf_file>().meta()), nibble::metadata>);
// Two copies would read one session by turns.
static_assert(std::movable<generation> && !std::copyable<generation>);
static_assert(std::constructible_from<event_builder, const tokenizer&> && !std::constructible_from<event_builder, tokenizer>);

// What each is made of, and refuses as a temporary.
template <class Meta, class Limits>
concept reads = std::constructible_from<hyperparameters, Meta, std::string_view, Limits>;
static_assert(reads<const nibble::metadata&, const limits&>);
static_assert(!reads<nibble::metadata, const limits&> && !reads<const nibble::metadata&, limits> &&
              !reads<nibble::metadata, limits>);
template <class File, class... Memory>
concept lends_tensors = std::constructible_from<tensor_source, File, format_lookup, bool, Memory...>;
static_assert(lends_tensors<const gguf_file&> && !lends_tensors<gguf_file>);
static_assert(lends_tensors<const gguf_file&, executor_ref, std::span<std::byte>> &&
              !lends_tensors<gguf_file, executor_ref, std::span<std::byte>>);
}  // namespace
