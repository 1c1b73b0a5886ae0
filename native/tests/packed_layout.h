// Packed rows of the attention tests.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ops/attention.h"

namespace llasa::test {

struct Layout {
  std::vector<AttentionGroup> groups;
  int64_t rows = 0;
};

// Prefixes first, then parts, as models/token_batch.h packs them.
inline Layout lay_out(const std::vector<std::pair<int64_t, std::vector<int64_t>>>& groups) {
  Layout layout;
  for (const auto& [prefix, parts] : groups) {
    AttentionGroup group;
    group.prefix = {layout.rows, layout.rows + prefix};
    layout.rows += prefix;
    layout.groups.push_back(group);
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    for (int64_t part : groups[g].second) {
      layout.groups[g].parts.push_back({layout.rows, layout.rows + part});
      layout.rows += part;
    }
  }
  return layout;
}

}  // namespace llasa::test
