// SPDX-License-Identifier: Apache-2.0
#include "transport/mpi/mpi_transport.h"

#include "transport/mpi/mpi_group.h"
#include "transport/mpi/mpi_pieces.h"
#include "transport/transport_suite.h"

namespace thinwire {
namespace {

Result<std::unique_ptr<Transport>> MakeMpi(int) { return MakeTransport("mpi", {}); }
Result<std::unique_ptr<Transport>> MakeMpiOfLargePieces(int) {
  return MakeTransport("mpi", {.interface = "", .modules = "", .mpi_piece_bytes = kMaxPieceBytes});
}

INSTANTIATE_TEST_SUITE_P(Mpi, TransportSuite,
                         testing::Values(TransportCase{"plain", MakeMpi},
                                         TransportCase{"largePieces", MakeMpiOfLargePieces}),
                         CaseName);

TEST(MpiTransportTest, AnUnknownNameListsItToo) {
  EXPECT_THAT(MakeTransport("pigeon", {}).status().message(), testing::HasSubstr("mpi"));
}

TEST(MpiTransportTest, AMessageOverTheLimitIsRefused) {
  RunRanks(MakeMpi, 2, [](Rank& self) {
    std::byte first{};
    Request request;
    const Status status = self.transport().Send(
        1 - self.rank(), std::span<const std::byte>(&first, kMaxMessageBytes + 1), &request);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_FALSE(request.pending());
  });
}

// ---- Addresses ----------------------------------------------------------------------------------

constexpr MpiWorld kWorld = {.rank = 1, .ranks = 4, .largest_tag = 1000, .threads_allowed = 1};

MpiAddress AddressHere(uint32_t tag) {
  static constexpr MpiCalls kCalls = {.start = nullptr,
                                      .describe = nullptr,
                                      .broadcast = nullptr,
                                      .gather = nullptr,
                                      .new_tag = nullptr,
                                      .has_private_world = [] { return 1; },
                                      .open_group = nullptr,
                                      .send = nullptr,
                                      .receive = nullptr,
                                      .test = nullptr,
                                      .cancel = nullptr};
  return MpiAddress::Here({&kCalls, kWorld}, static_cast<int>(tag));
}

TEST(MpiAddressTest, RanksOfThisProcessAndOfOthersAreTaken) {
  const MpiAddress here = AddressHere(7);
  EXPECT_EQ(MpiAddress::Unpack(here.Pack(), 2, kWorld).value().tag, 7u);
  MpiAddress there = here;
  there.process = 3;
  ++there.process_nonce;
  EXPECT_EQ(MpiAddress::Unpack(there.Pack(), 2, kWorld).value().process, 3u);
}

TEST(MpiAddressTest, RanksOfAnotherJobAreRefused) {
  const auto refused = [](const std::function<void(MpiAddress*)>& change) {
    MpiAddress address = AddressHere(7);
    change(&address);
    const Status status = MpiAddress::Unpack(address.Pack(), 2, kWorld).status();
    EXPECT_THAT(status.message(), testing::HasSubstr("rank 2"));
    return status.code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](MpiAddress* a) { ++a->process_nonce; }));  // our place, not our process
  EXPECT_TRUE(refused([](MpiAddress* a) { a->process = 0; }));      // our process, not our place
  EXPECT_TRUE(refused([](MpiAddress* a) { a->processes = 1; }));
  EXPECT_TRUE(refused([](MpiAddress* a) {
    a->process = 4;
    ++a->process_nonce;
  }));
  EXPECT_TRUE(refused([](MpiAddress* a) { a->tag = 1001; }));
  EXPECT_FALSE(MpiAddress::Unpack("short", 2, kWorld).ok());
}

// ---- Pieces -------------------------------------------------------------------------------------

std::vector<std::byte> Packed(const Piece& piece) {
  int size = 0;
  const auto bytes = PackPiece(piece, &size);
  return {bytes.get(), bytes.get() + size};
}

Piece DataPiece(uint64_t total, uint64_t offset, std::span<const std::byte> bytes) {
  return {MessageKind::kData, 3, total, offset, bytes};
}

TEST(MpiPieceTest, TravelsWhole) {
  const std::vector<std::byte> content = Pattern(1, 100);
  const std::vector<std::byte> packed = Packed(DataPiece(1000, 200, content));
  const auto piece = ParsePiece(packed);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->kind, MessageKind::kData);
  EXPECT_EQ(piece->source, 3u);
  EXPECT_EQ(piece->total, 1000u);
  EXPECT_EQ(piece->offset, 200u);
  EXPECT_EQ(Text(piece->bytes), Text(content));
}

TEST(MpiPieceTest, AnyFlippedBitOfTheHeaderIsNoticed) {
  const std::vector<std::byte> content = Pattern(1, 100);
  const std::vector<std::byte> packed = Packed(DataPiece(1000, 200, content));
  const size_t header_bits = (packed.size() - content.size()) * 8;
  for (size_t bit = 0; bit < header_bits; ++bit) {
    std::vector<std::byte> flipped = packed;
    flipped[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    EXPECT_FALSE(ParsePiece(flipped).has_value()) << "bit " << bit;
  }
}

TEST(MpiPieceTest, LengthsThatMakeNoSenseAreRefused) {
  const std::vector<std::byte> content = Pattern(1, 100);
  EXPECT_TRUE(ParsePiece(Packed(DataPiece(100, 0, content))).has_value());
  EXPECT_TRUE(ParsePiece(Packed(DataPiece(0, 0, {}))).has_value());
  EXPECT_FALSE(ParsePiece({}).has_value());
  EXPECT_FALSE(ParsePiece(std::span(content).first(31)).has_value());
  EXPECT_FALSE(ParsePiece(Packed(DataPiece(99, 0, content))).has_value());    // over the end
  EXPECT_FALSE(ParsePiece(Packed(DataPiece(100, 1, content))).has_value());   // likewise
  EXPECT_FALSE(ParsePiece(Packed(DataPiece(10, 200, content))).has_value());  // behind the end
  EXPECT_FALSE(ParsePiece(Packed(DataPiece(10, 0, {}))).has_value());         // of nothing
  EXPECT_FALSE(ParsePiece(Packed(DataPiece(~uint64_t{0}, 0, content))).has_value());
  EXPECT_FALSE(ParsePiece(Packed(DataPiece(kMaxMessageBytes + 1, 0, content))).has_value());
  EXPECT_FALSE(ParsePiece(Packed({MessageKind::kHello, 3, 100, 0, content})).has_value());
  EXPECT_FALSE(ParsePiece(Packed({static_cast<MessageKind>(9), 3, 0, 0, {}})).has_value());
}

TEST(AssemblyTest, PiecesInOrderMakeAMessageAndThenTheNext) {
  const std::vector<std::byte> content = Pattern(1, 100);
  const std::span<const std::byte> bytes = content;
  Assembly assembly;
  for (int message = 0; message < 2; ++message) {
    EXPECT_EQ(assembly.Add(DataPiece(100, 0, bytes.first(60))).value(), nullptr);
    const auto whole = assembly.Add(DataPiece(100, 60, bytes.subspan(60)));
    ASSERT_NE(whole.value(), nullptr);
    EXPECT_EQ(Text(whole.value()->bytes()), Text(content));
  }
  EXPECT_EQ(assembly.Add(DataPiece(0, 0, {})).value()->bytes().size(), 0u);
}

TEST(AssemblyTest, APieceOutOfOrderIsAnError) {
  const std::vector<std::byte> content = Pattern(1, 60);
  const std::pair<uint64_t, uint64_t> wrong[] = {
      {100, 0}, {100, 59}, {100, 61}, {101, 60}, {200, 60}};
  for (const auto& [total, offset] : wrong) {
    Assembly assembly;
    EXPECT_TRUE(assembly.Add(DataPiece(100, 0, content)).ok());
    const auto bytes =
        std::span<const std::byte>(content).first(std::min<size_t>(40, total - offset));
    EXPECT_EQ(assembly.Add(DataPiece(total, offset, bytes)).status().code(), Code::kRemote);
  }
  Assembly assembly;
  EXPECT_FALSE(assembly.Add(DataPiece(100, 40, content)).ok());  // has no beginning
}

}  // namespace
}  // namespace thinwire
