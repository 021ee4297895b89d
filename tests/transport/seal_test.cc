// SPDX-License-Identifier: Apache-2.0
#include "transport/seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "transport/introduction.h"
#include "base/checked.h"

namespace thinwire {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Digest KeyNumber(int number) {
  Digest key{};
  key[0] = static_cast<std::byte>(number);
  return key;
}

Bytes Text(std::string_view text) {
  const auto bytes = BytesOf(text);
  return Bytes(bytes.begin(), bytes.end());
}

// For each cipher of this machine; ChaCha20-Poly1305 at least.
class SealTest : public testing::TestWithParam<CipherId> {
 protected:
  void SetUp() override {
    if (!CheckSealing().ok()) GTEST_SKIP() << "built without libsodium";
    if ((CiphersHere() & Only(GetParam())) == 0) GTEST_SKIP() << "not on this processor";
  }
  Sealer MakeSealer(uint64_t next = 0) { return Sealer(MakeCipher(GetParam(), key_), next); }
  Opener MakeOpener() { return Opener(MakeCipher(GetParam(), key_)); }

  static Bytes Sealed(Sealer* sealer, const Bytes& message) {
    Bytes sealed(message.size() + kSealBytes);
    const Status status = sealer->Seal(message, sealed.data());
    EXPECT_TRUE(status.ok()) << status.message();
    return sealed;
  }
  // The message; or nothing and why not.
  static Result<Bytes> Opened(Opener* opener, Bytes sealed) {
    const Result<size_t> size = opener->Open(sealed);
    if (!size.ok()) return size.status();
    sealed.resize(size.value());
    return sealed;
  }
  static void ExpectRefused(Opener* opener, const Bytes& sealed, const std::string& why) {
    const Result<Bytes> opened = Opened(opener, sealed);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.status().code(), Code::kRemote);
    EXPECT_THAT(opened.status().message(), HasSubstr(why));
  }

  const Digest key_ = KeyNumber(1);
};

std::string NameOfCipher(const testing::TestParamInfo<CipherId>& info) {
  return info.param == CipherId::kAes256Gcm ? "Aes256Gcm" : "ChaCha20Poly1305";
}

INSTANTIATE_TEST_SUITE_P(Ciphers, SealTest,
                         testing::Values(CipherId::kChaCha20Poly1305, CipherId::kAes256Gcm),
                         NameOfCipher);

TEST_P(SealTest, OpenedMessagesAreThoseThatWereSealed) {
  Sealer sealer = MakeSealer();
  Opener opener = MakeOpener();
  for (const size_t size : {0, 1, 15, 16, 17, 63, 64, 1000, 131072, 131073}) {
    Bytes message(size);
    for (size_t i = 0; i < size; ++i) message[i] = static_cast<std::byte>(i * 7);
    const Bytes sealed = Sealed(&sealer, message);
    EXPECT_TRUE(size < 16 || !std::equal(message.begin(), message.end(), sealed.begin()));
    const Result<Bytes> opened = Opened(&opener, sealed);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    EXPECT_TRUE(opened.value() == message) << size;
  }
}

TEST_P(SealTest, EqualMessagesAreSealedToDifferentBytes) {
  Sealer sealer = MakeSealer();
  EXPECT_FALSE(Sealed(&sealer, Text("the same")) == Sealed(&sealer, Text("the same")));
}

TEST_P(SealTest, EveryFlippedBitIsFound) {
  Sealer sealer = MakeSealer();
  const Bytes sealed = Sealed(&sealer, Text("gradient"));
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    Bytes altered = sealed;
    altered[bit / 8] ^= std::byte{1} << (bit % 8);
    Opener opener = MakeOpener();
    EXPECT_FALSE(Opened(&opener, altered).ok()) << bit;
  }
}

TEST_P(SealTest, EveryTruncationAndExtensionIsFound) {
  Sealer sealer = MakeSealer();
  const Bytes sealed = Sealed(&sealer, Text("gradient"));
  for (size_t size = 0; size < sealed.size(); ++size) {
    Opener opener = MakeOpener();
    EXPECT_FALSE(Opened(&opener, Bytes(sealed.begin(), sealed.begin() + size)).ok()) << size;
  }
  Bytes longer = sealed;
  longer.push_back(std::byte{0});
  Opener opener = MakeOpener();
  EXPECT_FALSE(Opened(&opener, longer).ok());
}

TEST_P(SealTest, AMessageUnderAnotherKeyIsRefused) {
  Sealer other(MakeCipher(GetParam(), KeyNumber(2)));
  Opener opener = MakeOpener();
  ExpectRefused(&opener, Sealed(&other, Text("gradient")), "others made it");
}

TEST_P(SealTest, AMessageOpensOnceOnly) {
  Sealer sealer = MakeSealer();
  Opener opener = MakeOpener();
  const Bytes first = Sealed(&sealer, Text("first"));
  EXPECT_TRUE(Opened(&opener, first).ok());
  ExpectRefused(&opener, first, "came before");
  EXPECT_TRUE(Opened(&opener, Sealed(&sealer, Text("second"))).ok());
  ExpectRefused(&opener, first, "came before");
}

TEST_P(SealTest, ARefusedMessageTakesNoNumber) {
  Sealer sealer = MakeSealer();
  Opener opener = MakeOpener();
  const Bytes sealed = Sealed(&sealer, Text("gradient"));
  Bytes altered = sealed;
  altered[0] ^= std::byte{1};
  EXPECT_FALSE(Opened(&opener, altered).ok());
  EXPECT_TRUE(Opened(&opener, sealed).ok());
}

TEST_P(SealTest, ThousandsOfMessagesOpenInAnyOrder) {
  Sealer sealer = MakeSealer();
  Opener opener = MakeOpener();
  std::vector<Bytes> sealed;
  for (int i = 0; i < 20000; ++i) sealed.push_back(Sealed(&sealer, Text(fmt::format("{}", i))));
  std::vector<int> order(sealed.size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::minstd_rand(1));
  for (const int i : order) {
    const Result<Bytes> opened = Opened(&opener, sealed[static_cast<size_t>(i)]);
    ASSERT_TRUE(opened.ok()) << i << ": " << opened.status().message();
    EXPECT_TRUE(opened.value() == Text(fmt::format("{}", i)));
  }
  for (const int i : order) EXPECT_FALSE(Opened(&opener, sealed[static_cast<size_t>(i)]).ok());
}

TEST_P(SealTest, AKeySealsSoManyMessagesAndNoMore) {
  Sealer sealer = MakeSealer(kMessagesPerKey - 1);
  Opener opener = MakeOpener();
  const Bytes last = Sealed(&sealer, Text("last"));
  EXPECT_TRUE(Opened(&opener, last).ok());
  ExpectRefused(&opener, last, "came before");
  std::vector<std::byte> unused(kSealBytes);
  const Status status = sealer.Seal({}, unused.data());
  EXPECT_EQ(status.code(), Code::kInvalidUsage);
  EXPECT_THAT(status.message(), HasSubstr("new communicator"));
}

TEST_P(SealTest, NumbersOutOfRangeAreRefused) {
  for (const uint64_t number : {kMessagesPerKey, ~uint64_t{0}}) {
    const auto cipher = MakeCipher(GetParam(), key_);  // as one that knows the key might
    Bytes sealed(kSealBytes);
    cipher->Seal(number, {}, sealed.data());
    StoreLittle(number, sealed.data() + kTagBytes);
    Opener opener = MakeOpener();
    ExpectRefused(&opener, sealed, "out of range");
  }
}

TEST(ReplayWindowTest, TakesEachNumberOnce) {
  ReplayWindow window;
  for (const uint64_t number : {0, 5, 3, 4, 70000, 69999, 4465}) {
    EXPECT_TRUE(window.IsFresh(number)) << number;
    window.Take(number);
    EXPECT_FALSE(window.IsFresh(number)) << number;
  }
}

TEST(ReplayWindowTest, EndsWhereItCannotTell) {
  ReplayWindow window;
  const uint64_t newest = 10 * ReplayWindow::kNumbers + 17;
  window.Take(newest);
  EXPECT_TRUE(window.IsFresh(newest - ReplayWindow::kNumbers + 1));
  EXPECT_FALSE(window.IsFresh(newest - ReplayWindow::kNumbers));
  EXPECT_FALSE(window.IsFresh(0));
  EXPECT_TRUE(window.IsFresh(newest + 1));
}

TEST(ReplayWindowTest, ForgetsWhatItsPlacesHeldBefore) {
  ReplayWindow window;
  for (uint64_t number = 0; number < ReplayWindow::kNumbers; ++number) window.Take(number);
  window.Take(ReplayWindow::kNumbers + 9);  // nine were skipped
  EXPECT_TRUE(window.IsFresh(ReplayWindow::kNumbers + 8));
  EXPECT_FALSE(window.IsFresh(10));
  EXPECT_FALSE(window.IsFresh(9));
}

TEST(KeyExchangeTest, BothEndsShareWhatOthersDoNot) {
  if (!CheckSealing().ok()) GTEST_SKIP() << "built without libsodium";
  const auto a = KeyExchange::Make().value();
  const auto b = KeyExchange::Make().value();
  const auto c = KeyExchange::Make().value();
  EXPECT_EQ(a->SharedWith(b->public_key()).value(), b->SharedWith(a->public_key()).value());
  EXPECT_NE(a->SharedWith(b->public_key()).value(), a->SharedWith(c->public_key()).value());
}

TEST(KeyExchangeTest, APublicKeyThatDecidesTheResultIsRefused) {
  if (!CheckSealing().ok()) GTEST_SKIP() << "built without libsodium";
  const auto a = KeyExchange::Make().value();
  EXPECT_EQ(a->SharedWith(PublicKey{}).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace thinwire
