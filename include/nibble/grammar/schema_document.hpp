/// schema_document: the schemas of a JSON Schema document by number, and what a reference in one of them names.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/text/json.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Finds the $id, $anchor and subschemas of a document. Nothing outside of it is fetched.
class schema_document {
 public:
  using id = std::uint32_t;

  explicit schema_document(const json& root);

  /// The number of a schema: a part of the document, or one that was made for it.
  /// @param step  how it is reached from `within`
  id number_of(const json& schema, id within, std::string_view step);
  /// Where a schema stands: "/properties/a".
  const std::string& path(id schema) const noexcept { return places_[schema].path; }
  /// Keeps a schema that is not part of the document.
  const json& keep(json schema) { return made_.emplace_back(std::move(schema)); }

  const json& operator[](id schema) const noexcept { return *places_[schema].schema; }
  id root() const noexcept { return 0; }
  /// In drafts up to 7, what stands beside $ref does not count.
  bool ignores_siblings(id schema) const noexcept { return resources_[places_[schema].resource].old; }
  bool is_2019() const noexcept { return is_2019_; }
  std::size_t resources() const noexcept { return resources_.size(); }
  /// Some schema has a keyword whose name begins with unevaluated.
  bool has_unevaluated() const noexcept { return has_unevaluated_; }
  /// Whether it has a $dynamicAnchor, which another resource could take over: then references to it are not resolved.
  bool is_dynamic(std::string_view anchor) const;

  /// The schema that a reference names.
  /// @errors  bad_value: it is not in the document
  result<id> find(id from, std::string_view reference);

 private:
  struct resource {
    std::string base;  // absolute, without fragment
    const json* root;
    bool old;
    std::map<std::string, const json*, std::less<>> anchors = {};
  };
  struct place {
    const json* schema;
    std::uint32_t resource;
    std::string path;
  };
  void scan(const json& root);
  std::uint32_t add_names(const json& schema, std::uint32_t within);
  result<id> find_in(std::uint32_t number, std::string_view fragment, std::string_view reference);

  std::deque<json> made_;
  std::vector<resource> resources_;
  std::vector<place> places_;
  std::unordered_map<const json*, id> numbers_;
  std::unordered_map<const json*, std::uint32_t> resource_of_;
  std::map<std::string, int, std::less<>> dynamic_anchors_;
  bool is_2019_ = false, has_unevaluated_ = false;
};

/// True where the name is one that `required` of a schema lists.
bool is_required(const json& schema, std::string_view name);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
