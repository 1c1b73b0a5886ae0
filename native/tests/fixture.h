// Reads oracle cases: a small JSON reader and a safetensors reader, for tests only (the product reads files
// in C#).
#pragma once

#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/convert.h"
#include "llasa_native.h"

#ifndef LLASA_FIXTURE_DIR
#define LLASA_FIXTURE_DIR "tests/fixtures"
#endif

namespace llasa::test {

// A JSON value. Strings "NaN", "Infinity", "-Infinity" count as numbers too, as the oracle's manifests use
// them.
class Json {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  static Json parse(const std::string& text) {
    size_t at = 0;
    Json value = parse_value(text, at);
    skip(text, at);
    if (at != text.size()) fail("text behind the value", at);
    return value;
  }
  static Json read(const std::filesystem::path& path);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool has(const std::string& key) const { return kind_ == Kind::kObject && members_.count(key) != 0; }
  const Json& operator[](const std::string& key) const {
    const auto it = members_.find(key);
    if (it == members_.end()) throw std::runtime_error("json: no member `" + key + "`");
    return it->second;
  }
  const Json& operator[](size_t i) const { return elements_.at(i); }
  size_t size() const { return elements_.size(); }
  const std::vector<Json>& elements() const { return elements_; }
  const std::map<std::string, Json>& members() const { return members_; }

  double number() const {
    if (kind_ == Kind::kNumber) return number_;
    if (kind_ == Kind::kString) return std::strtod(text_.c_str(), nullptr);
    throw std::runtime_error("json: not a number");
  }
  int64_t integer() const { return static_cast<int64_t>(number()); }
  bool boolean() const { return kind_ == Kind::kBool && number_ != 0; }
  const std::string& string() const { return text_; }
  // Member `key`, or the fallback where it is missing or null.
  double number_or(const std::string& key, double fallback) const {
    return has(key) && !(*this)[key].is_null() ? (*this)[key].number() : fallback;
  }
  bool boolean_or(const std::string& key, bool fallback) const {
    return has(key) ? (*this)[key].boolean() : fallback;
  }

 private:
  [[noreturn]] static void fail(const char* what, size_t at) {
    throw std::runtime_error("json: " + std::string(what) + " at byte " + std::to_string(at));
  }
  static void skip(const std::string& s, size_t& at) {
    while (at < s.size() && (s[at] == ' ' || s[at] == '\n' || s[at] == '\r' || s[at] == '\t')) ++at;
  }
  static void expect(const std::string& s, size_t& at, char c) {
    skip(s, at);
    if (at >= s.size() || s[at] != c) fail("unexpected character", at);
    ++at;
  }
  static bool accept(const std::string& s, size_t& at, char c) {
    skip(s, at);
    if (at >= s.size() || s[at] != c) return false;
    ++at;
    return true;
  }

  static void append_utf8(std::string& out, uint32_t code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      if (code >= 0x10000) {
        out += static_cast<char>(0xf0 | (code >> 18));
        out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
      } else {
        out += static_cast<char>(0xe0 | (code >> 12));
      }
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
      out += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  static uint32_t parse_hex4(const std::string& s, size_t& at) {
    if (at + 4 > s.size()) fail("short \\u escape", at);
    const uint32_t code = static_cast<uint32_t>(std::stoul(s.substr(at, 4), nullptr, 16));
    at += 4;
    return code;
  }
  static std::string parse_string(const std::string& s, size_t& at) {
    expect(s, at, '"');
    std::string out;
    for (;;) {
      if (at >= s.size()) fail("unterminated string", at);
      const char c = s[at++];
      if (c == '"') return out;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at >= s.size()) fail("unterminated string", at);
      const char e = s[at++];
      if (e == 'u') {
        uint32_t code = parse_hex4(s, at);
        if (code >= 0xd800 && code < 0xdc00 && s.compare(at, 2, "\\u") == 0) {
          at += 2;
          code = 0x10000 + ((code - 0xd800) << 10) + (parse_hex4(s, at) - 0xdc00);
        }
        append_utf8(out, code);
      } else {
        out += e == 'n' ? '\n' : e == 't' ? '\t' : e == 'r' ? '\r' : e == 'b' ? '\b' : e == 'f' ? '\f' : e;
      }
    }
  }

  static Json parse_value(const std::string& s, size_t& at) {
    skip(s, at);
    Json v;
    const char c = at < s.size() ? s[at] : '\0';
    if (c == '{') {
      v.kind_ = Kind::kObject;
      ++at;
      if (accept(s, at, '}')) return v;
      do {
        std::string key = parse_string(s, at);
        expect(s, at, ':');
        v.members_.emplace(std::move(key), parse_value(s, at));
      } while (accept(s, at, ','));
      expect(s, at, '}');
    } else if (c == '[') {
      v.kind_ = Kind::kArray;
      ++at;
      if (accept(s, at, ']')) return v;
      do {
        v.elements_.push_back(parse_value(s, at));
      } while (accept(s, at, ','));
      expect(s, at, ']');
    } else if (c == '"') {
      v.kind_ = Kind::kString;
      v.text_ = parse_string(s, at);
    } else if (s.compare(at, 4, "true") == 0 || s.compare(at, 5, "false") == 0) {
      v.kind_ = Kind::kBool;
      v.number_ = c == 't';
      at += c == 't' ? 4 : 5;
    } else if (s.compare(at, 4, "null") == 0) {
      at += 4;
    } else {
      char* end = nullptr;
      v.kind_ = Kind::kNumber;
      v.number_ = std::strtod(s.c_str() + at, &end);
      if (end == s.c_str() + at) fail("not a value", at);
      at = static_cast<size_t>(end - s.c_str());
    }
    return v;
  }

  Kind kind_ = Kind::kNull;
  double number_ = 0;
  std::string text_;
  std::vector<Json> elements_;
  std::map<std::string, Json> members_;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

inline Json Json::read(const std::filesystem::path& path) {
  return parse(read_file(path));
}

// One tensor of a safetensors file, as stored.
struct Tensor {
  std::string dtype;  // "F32", "F16", "BF16", "F64", "I64", "I32", "U8", ...
  std::vector<int64_t> shape;
  std::string bytes;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t extent : shape) n *= extent;
    return n;
  }
  // dtype as the ABI numbers it; throws for others.
  llasa_dtype abi_dtype() const {
    if (dtype == "F32") return LLASA_F32;
    if (dtype == "F16") return LLASA_F16;
    if (dtype == "BF16") return LLASA_BF16;
    throw std::runtime_error("tensor of dtype " + dtype);
  }
  std::vector<float> floats() const {
    if (dtype == "F64") return convert<float>(as<double>());
    std::vector<float> out(static_cast<size_t>(size()));
    widen(static_cast<DType>(abi_dtype()), bytes.data(), out.data(), size());
    return out;
  }
  template <typename To>
  std::vector<To> integers() const {
    if (dtype == "I64") return convert<To>(as<int64_t>());
    if (dtype == "I32") return convert<To>(as<int32_t>());
    if (dtype == "I16") return convert<To>(as<int16_t>());
    if (dtype == "U8" || dtype == "BOOL") return convert<To>(as<uint8_t>());
    throw std::runtime_error("tensor of dtype " + dtype + ", expected integers");
  }

 private:
  template <typename T>
  std::vector<T> as() const {
    std::vector<T> out(static_cast<size_t>(size()));
    if (out.size() * sizeof(T) != bytes.size()) throw std::runtime_error("tensor data of a wrong length");
    if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }
  template <typename To, typename From>
  static std::vector<To> convert(const std::vector<From>& from) {
    std::vector<To> out(from.size());
    for (size_t i = 0; i < from.size(); ++i) out[i] = static_cast<To>(from[i]);
    return out;
  }
};

using Tensors = std::map<std::string, Tensor>;

inline Tensors read_safetensors(const std::filesystem::path& path) {
  const std::string file = read_file(path);
  uint64_t header_bytes = 0;
  if (file.size() < 8) throw std::runtime_error("short file " + path.string());
  std::memcpy(&header_bytes, file.data(), 8);
  if (header_bytes > file.size() - 8) throw std::runtime_error("short file " + path.string());
  const Json header = Json::parse(file.substr(8, header_bytes));
  Tensors tensors;
  for (const auto& [name, entry] : header.members()) {
    if (name == "__metadata__") continue;
    Tensor tensor;
    tensor.dtype = entry["dtype"].string();
    for (const Json& extent : entry["shape"].elements()) tensor.shape.push_back(extent.integer());
    const auto begin = static_cast<size_t>(entry["data_offsets"][0].integer());
    const auto end = static_cast<size_t>(entry["data_offsets"][1].integer());
    tensor.bytes = file.substr(8 + header_bytes + begin, end - begin);
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

// All tensors of a checkpoint directory: every *.safetensors file in it.
inline Tensors read_checkpoint(const std::filesystem::path& directory) {
  Tensors tensors;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".safetensors") tensors.merge(read_safetensors(entry.path()));
  }
  return tensors;
}

// Case directories of a family, sorted: those in the tree (LLASA_FIXTURES overrides where) and, if
// LLASA_ORACLE is set, all of $LLASA_ORACLE/public/<family>.
inline std::vector<std::filesystem::path> cases(const std::string& family) {
  namespace fs = std::filesystem;
  const char* fixtures = std::getenv("LLASA_FIXTURES");
  std::vector<fs::path> roots{fs::path(fixtures != nullptr ? fixtures : LLASA_FIXTURE_DIR) / family};
  if (const char* oracle = std::getenv("LLASA_ORACLE")) roots.push_back(fs::path(oracle) / "public" / family);
  std::map<std::string, fs::path> found;  // by name: the same case in both places is run once
  for (const fs::path& root : roots) {
    if (!fs::is_directory(root)) continue;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (fs::exists(entry.path() / "case.json")) found[entry.path().filename().string()] = entry.path();
    }
  }
  std::vector<fs::path> paths;
  for (auto& [name, path] : found) paths.push_back(path);
  return paths;
}

// The name of a case directory as a GoogleTest parameter name.
inline std::string case_name(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

}  // namespace llasa::test
