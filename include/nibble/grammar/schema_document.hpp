/// schema_document: the schemas of a JSON Schema document by number, and what a reference in one of them names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/grammar/schema_drafts.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/json_pointer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// How a schema is reached from the one that it stands in: by a keyword, or by a name or a number behind it. What it names has
/// to stay where it is.
struct schema_step {
  static constexpr std::size_t no_place = static_cast<std::size_t>(-1);
  std::string_view keyword;
  std::string_view name = {};
  std::size_t place = no_place;

  std::string text() const {
    std::string out(keyword);
    if (name.data()) out += pointer_step(name);
    if (place != no_place) out += '/' + std::to_string(place);
    return out;
  }
};

/// Finds the $id, $anchor and subschemas of a document. Nothing outside of it is fetched.
class schema_document {
 public:
  using id = std::uint32_t;

  explicit schema_document(const json& root);

  /// The number of a schema, a part of the document that is reached from `within`.
  id number_of(const json& schema, id within, const schema_step& step);
  /// The number of a schema that is made, in words of the newest draft.
  id add_made(json schema, id within, std::string_view keyword);
  /// Where a schema stands, as a JSON pointer: "/properties/a".
  std::string path(id schema) const;
  /// Why a schema is refused, at a keyword of it.
  error refusal(id schema, std::string_view keyword, std::string_view why, errc code = errc::bad_value) const;
  /// Whether the keywords of a schema that its draft knows are given what they are for; schemas in it are not looked into.
  /// @errors  bad_value
  result<void> check(id schema) const;
  /// The same of all schemas of the document.
  result<void> check_all();

  const json& operator[](id schema) const noexcept { return *places_[schema].schema; }
  id root() const noexcept { return 0; }
  /// What a schema says by a keyword, or null where it does not, or its draft does not know the keyword.
  /// @param surely  null, too, where the draft is not known and the newest does not know it
  const json* keyword(id schema, std::string_view name, bool surely) const;
  /// In drafts up to 7, what stands beside $ref does not count.
  bool ignores_siblings(id schema) const noexcept { return places_[schema].draft <= schema_draft::draft7; }
  /// What `items` lists are places, as they were before prefixItems.
  bool lists_items(id schema) const noexcept { return places_[schema].draft <= schema_draft::draft2019; }
  bool knows_const(id schema) const noexcept { return places_[schema].draft != schema_draft::draft4; }
  bool is_2019(id schema) const noexcept { return places_[schema].draft == schema_draft::draft2019; }
  std::size_t resources() const noexcept { return resources_.size(); }
  /// Some schema has a keyword whose name begins with unevaluated.
  bool has_unevaluated() const noexcept { return has_unevaluated_; }
  /// Whether it has a $dynamicAnchor, which another resource could take over: then references to it are not resolved.
  bool is_dynamic(std::string_view anchor) const;

  /// The schema that a reference names.
  /// @errors  bad_value: it is not in the document
  result<id> find(id from, std::string_view reference);
  /// Members that find() has passed by since this was asked last.
  std::uint64_t take_passed() noexcept { return std::exchange(passed_, 0); }

 private:
  struct resource {
    std::string base;  // absolute, without fragment
    const json* root;
    schema_draft draft;
    std::map<std::string, const json*, std::less<>> anchors = {};
  };
  struct place {
    const json* schema;
    std::uint32_t resource;
    schema_draft draft;
    id within;
    schema_step step;  // a reference: it stands there whatever it is within
  };
  void scan(const json& root);
  std::uint32_t add_names(const json& schema, std::uint32_t within);
  result<id> find_in(std::uint32_t number, std::string_view fragment, std::string_view reference);

  std::deque<json> made_;
  std::vector<resource> resources_;
  std::unordered_map<std::string, std::uint32_t> of_base_;  // resources
  std::vector<place> places_;
  std::unordered_map<const json*, id> numbers_;
  std::unordered_map<const json*, std::uint32_t> resource_of_;
  std::map<std::string, int, std::less<>> dynamic_anchors_;
  std::uint64_t passed_ = 0;
  bool has_unevaluated_ = false;
};

/// True where the name is one that `required` of a schema lists.
bool is_required(const json& schema, std::string_view name);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
