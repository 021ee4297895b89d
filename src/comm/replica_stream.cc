// SPDX-License-Identifier: Apache-2.0
#include "comm/replica_stream.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/checked.h"

namespace thinwire {
namespace {

constexpr size_t kPreambleBytes = 8;
constexpr size_t kStartBytes =
    16;  // enough to tell the kinds apart; all of an end but its checksum
constexpr size_t kEntryBytes = 56;  // of an entry, before its texts
constexpr size_t kChecksumBytes = 8;
constexpr uint8_t kEntryKind = 1;
constexpr uint8_t kEndKind = 2;

// The fixed part of an entry, as the table of docs/state.md.
struct Fields {
  uint8_t kind = kEntryKind;
  uint8_t operation = 0;
  uint8_t sent = 0;
  uint8_t dtype = 0;
  int32_t peer = 0;
  uint64_t user = 0;
  uint64_t version = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;
  uint16_t message = 0;
  uint16_t codec_bytes = 0;
  uint16_t layout_bytes = 0;
  uint16_t zero = 0;
};

// Calls visit(offset, field) for each, for writing as for reading.
template <typename F, typename Visit>
void ForEachField(F& fields, Visit visit) {
  visit(0, fields.kind);
  visit(1, fields.operation);
  visit(2, fields.sent);
  visit(3, fields.dtype);
  visit(4, fields.peer);
  visit(8, fields.user);
  visit(16, fields.version);
  visit(24, fields.elements);
  visit(32, fields.bytes);
  visit(40, fields.checksum);
  visit(48, fields.message);
  visit(50, fields.codec_bytes);
  visit(52, fields.layout_bytes);
  visit(54, fields.zero);
}

void Append(std::string_view text, std::vector<std::byte>* target) {
  const auto bytes = std::as_bytes(std::span(text));
  target->insert(target->end(), bytes.begin(), bytes.end());
}

// Puts the checksum behind what there is, and makes it the seed of the next.
void Seal(std::vector<std::byte>* record, uint64_t* chain) {
  *chain = Xxh3(*record, *chain);
  record->resize(record->size() + kChecksumBytes);
  StoreLittle(*chain, record->data() + record->size() - kChecksumBytes);
}

// Whether a record ends with its checksum; `chain` moves on.
bool Sealed(std::span<const std::byte> record, uint64_t* chain) {
  const size_t sealed = record.size() - kChecksumBytes;
  *chain = Xxh3(record.first(sealed), *chain);
  return LoadLittle<uint64_t>(record.data() + sealed) == *chain;
}

Status Damaged(const char* what) { return InvalidArgument("{}; the stream is damaged", what); }

std::array<std::byte, kPreambleBytes> Preamble() {
  std::array<std::byte, kPreambleBytes> preamble;
  StoreLittle(kStateMagic, preamble.data());
  StoreLittle(kStateFormat, preamble.data() + sizeof(kStateMagic));
  return preamble;
}

// What only a stream made on purpose gets wrong: its checksums are right.
Status CheckFields(const Fields& fields) {
  const auto refuse = [](const char* name, auto value) {
    return InvalidArgument("{}: {} is none that this library writes", name, value);
  };
  if (fields.operation >= kOperations) return refuse("operation", fields.operation);
  if (fields.sent > 1) return refuse("sent", fields.sent);
  if (fields.dtype >= kDataTypes) return refuse("dtype", fields.dtype);
  if (fields.peer < ReplicaKey::kAllPeers) return refuse("peer", fields.peer);
  if (fields.version == 0) return refuse("version", fields.version);
  if (fields.bytes > kMaxStateBytes) return refuse("bytes", fields.bytes);
  if (fields.zero != 0) return refuse("reserved bytes", fields.zero);
  return {};
}

ReplicaRecord RecordOf(const Fields& fields, std::span<const std::byte> texts) {
  const std::string text(reinterpret_cast<const char*>(texts.data()), texts.size());
  return {.key = {.user = fields.user,
                  .operation = static_cast<Operation>(fields.operation),
                  .sent = fields.sent != 0,
                  .peer = fields.peer,
                  .message = fields.message},
          .shape = {.codec = text.substr(0, fields.codec_bytes),
                    .elements = fields.elements,
                    .dtype = static_cast<DataType>(fields.dtype),
                    .layout = text.substr(fields.codec_bytes)},
          .version = fields.version,
          .bytes = fields.bytes,
          .checksum = fields.checksum};
}

}  // namespace

Status ReplicaStreamWriter::Begin() {
  const auto preamble = Preamble();
  chain_ = Xxh3(preamble);
  return write_(preamble.data(), preamble.size());
}

Status ReplicaStreamWriter::Entry(const ReplicaRecord& record) {
  const Fields fields = {.operation = static_cast<uint8_t>(record.key.operation),
                         .sent = record.key.sent,
                         .dtype = static_cast<uint8_t>(record.shape.dtype),
                         .peer = record.key.peer,
                         .user = record.key.user,
                         .version = record.version,
                         .elements = record.shape.elements,
                         .bytes = record.bytes,
                         .checksum = record.checksum,
                         .message = record.key.message,
                         .codec_bytes = static_cast<uint16_t>(record.shape.codec.size()),
                         .layout_bytes = static_cast<uint16_t>(record.shape.layout.size())};
  std::vector<std::byte> head(kEntryBytes);
  ForEachField(fields, [&head](size_t offset, const auto& field) {
    StoreLittle(field, head.data() + offset);
  });
  Append(record.shape.codec, &head);
  Append(record.shape.layout, &head);
  Seal(&head, &chain_);
  ++entries_;
  return write_(head.data(), head.size());
}

Status ReplicaStreamWriter::Bytes(std::span<const std::byte> bytes) {
  return bytes.empty() ? Status() : write_(bytes.data(), bytes.size());
}

Status ReplicaStreamWriter::End() {
  std::vector<std::byte> end(kStartBytes);
  StoreLittle(kEndKind, end.data());
  StoreLittle(entries_, end.data() + 8);
  Seal(&end, &chain_);
  return write_(end.data(), end.size());
}

Status ReplicaStreamReader::Read(std::span<std::byte> bytes) {
  return bytes.empty() ? Status() : read_(bytes.data(), bytes.size());
}

Status ReplicaStreamReader::Begin() {
  std::array<std::byte, kPreambleBytes> preamble;
  TW_TRY(Read(preamble));
  if (LoadLittle<uint32_t>(preamble.data()) != kStateMagic) {
    return InvalidArgument("these bytes are no saved state: they don't begin with TWST");
  }
  const auto format = LoadLittle<uint32_t>(preamble.data() + sizeof(kStateMagic));
  if (format != kStateFormat) {
    return InvalidArgument(
        "the state was saved in format {}, this library reads {}; use the release that saved it",
        format, kStateFormat);
  }
  chain_ = Xxh3(preamble);
  return {};
}

Status ReplicaStreamReader::CheckEnd(std::span<const std::byte> start) {
  std::array<std::byte, kStartBytes + kChecksumBytes> end;
  std::copy(start.begin(), start.end(), end.begin());
  TW_TRY(Read(std::span(end).subspan(kStartBytes)));
  if (!Sealed(end, &chain_)) return Damaged("the checksum of the end is wrong");
  const auto entries = LoadLittle<uint64_t>(end.data() + 8);
  if (entries != entries_) {
    return InvalidArgument("the end counts {} entries, but {} came; the stream is damaged", entries,
                           entries_);
  }
  const bool zero = std::all_of(end.begin() + 1, end.begin() + 8,
                                [](std::byte byte) { return byte == std::byte{0}; });
  return zero ? Status() : Damaged("reserved bytes of the end are not zero");
}

Result<std::optional<ReplicaRecord>> ReplicaStreamReader::Next() {
  std::vector<std::byte> head(kStartBytes);
  TW_TRY(Read(head));
  const auto kind = LoadLittle<uint8_t>(head.data());
  if (kind == kEndKind) {
    TW_TRY(CheckEnd(head));
    return std::optional<ReplicaRecord>();
  }
  if (kind != kEntryKind)
    return InvalidArgument("{} is no kind of record; the stream is damaged", kind);

  head.resize(kEntryBytes);
  TW_TRY(Read(std::span(head).subspan(kStartBytes)));
  Fields fields;
  ForEachField(fields, [&head]<typename Field>(size_t offset, Field& field) {
    field = LoadLittle<Field>(head.data() + offset);
  });
  // The one length used before the checksum over it is known.
  if (std::max(fields.codec_bytes, fields.layout_bytes) > ReplicaShape::kMaxTextBytes) {
    return Damaged("a text is too long");
  }
  const size_t texts = size_t{fields.codec_bytes} + fields.layout_bytes;
  head.resize(kEntryBytes + texts + kChecksumBytes);
  TW_TRY(Read(std::span(head).subspan(kEntryBytes)));
  if (!Sealed(head, &chain_)) return Damaged("the checksum of an entry's description is wrong");
  TW_TRY(CheckFields(fields));
  ReplicaRecord record = RecordOf(fields, std::span(head).subspan(kEntryBytes, texts));
  TW_TRY(record.shape.Check());
  ++entries_;
  expected_ = record.checksum;
  checksum_.emplace();
  return std::optional(std::move(record));
}

Status ReplicaStreamReader::Bytes(std::span<std::byte> bytes) {
  TW_TRY(Read(bytes));
  checksum_->Add(bytes);
  return {};
}

Status ReplicaStreamReader::EndBytes() {
  if (checksum_->Digest() != expected_) return Damaged("the checksum of an entry's bytes is wrong");
  return {};
}

}  // namespace thinwire
