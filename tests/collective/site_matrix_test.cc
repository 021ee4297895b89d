// SPDX-License-Identifier: Apache-2.0
#include "collective/site_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  const Result<SiteMatrix> matrix = SiteMatrix::Parse(text);
  EXPECT_FALSE(matrix.ok()) << text;
  return matrix.status().message();
}

TEST(SiteMatrixTest, ALineHoldsBothWaysUnlessTheOtherHasItsOwn) {
  const SiteMatrix matrix = SiteMatrix::Parse(
                                "inside 1gbit 1ms\n"
                                "a b 80mbit 20ms 0.1%  # far\n"
                                "c b 40mbit 30ms\n"
                                "b c 8mbit 30ms\n"
                                "a c 16mbit 50ms\n")
                                .value();
  ASSERT_EQ(matrix.sites(), 3);
  EXPECT_EQ(matrix.name(1), "b");
  EXPECT_EQ(matrix.at(0, 1).rate, 10e6);
  EXPECT_EQ(matrix.at(1, 0).rate, 10e6);
  EXPECT_DOUBLE_EQ(matrix.at(1, 0).loss, 0.001);
  EXPECT_EQ(matrix.at(1, 2).rate, 1e6);
  EXPECT_EQ(matrix.at(2, 1).rate, 5e6);
  EXPECT_EQ(matrix.at(2, 0).rate, 2e6);
  EXPECT_EQ(matrix.at(2, 2).delay, 1e-3);
  EXPECT_EQ(matrix.nic_rate(), 125e6);  // not stated: the fastest link's
}

TEST(SiteMatrixTest, ErrorsNameTheLineOrThePair) {
  EXPECT_THAT(ErrorOf("inside 1gbit 1ms\na b 80mbit"), HasSubstr("line 2"));
  EXPECT_THAT(ErrorOf("a b 80 20ms"), AllOf(HasSubstr("line 1"), HasSubstr("80")));
  EXPECT_THAT(ErrorOf("a b 80mbit 20ms"), HasSubstr("inside"));
  EXPECT_THAT(ErrorOf("inside 1gbit 1ms\na b 80mbit 20ms\nb c 80mbit 20ms"),
              AllOf(HasSubstr("a"), HasSubstr("c")));
  EXPECT_THAT(ErrorOf("inside 0 1ms\na b 80mbit 20ms"), HasSubstr("line 1"));
  EXPECT_THAT(ErrorOf("# nothing\n"), HasSubstr("no sites"));
  EXPECT_THAT(SiteMatrix::ParseFile("/no/such/file").status().message(), HasSubstr("/no/such"));
  EXPECT_THAT(SiteMatrix::Named("moon").status().message(), HasSubstr("worldwide-8"));
}

TEST(SiteMatrixTest, RanksAreDealtEvenlyAndNeighboursToOneSite) {
  const SiteMatrix matrix = SiteMatrix::Named("worldwide-8").value();
  for (const int ranks : {8, 9, 64, 1001}) {
    std::vector<int> members(8, 0);
    for (int rank = 0; rank < ranks; ++rank) {
      ++members[static_cast<size_t>(matrix.SiteOf(rank, ranks))];
      if (rank > 0) {
        EXPECT_LE(matrix.SiteOf(rank - 1, ranks), matrix.SiteOf(rank, ranks));
      }
    }
    const auto [fewest, most] = std::minmax_element(members.begin(), members.end());
    EXPECT_LE(*most - *fewest, 1) << ranks;
  }
}

TEST(SiteMatrixTest, Worldwide8HasTheCitiesItWasMeasuredBetween) {
  const SiteMatrix matrix = SiteMatrix::Named("worldwide-8").value();
  ASSERT_EQ(matrix.sites(), 8);
  EXPECT_EQ(matrix.nic_rate(), 250e6);
  const LinkModel links = LinkModel::Parse("profile=worldwide-8", 16).value();
  EXPECT_DOUBLE_EQ(links.at(0, 1).delay, 5e-3);     // both in Oregon
  EXPECT_DOUBLE_EQ(links.at(0, 2).delay, 67e-3);    // Oregon to Virginia
  EXPECT_DOUBLE_EQ(links.at(9, 10).delay, 238e-3);  // Seoul to London
  EXPECT_EQ(links.uplink(3), 250e6);
  // What a rank can send to all together, though none of its pairs can carry as much.
  EXPECT_EQ(LinkModel::Parse("profile=worldwide-8", 8).value().uplink(3), 250e6);
}

}  // namespace
}  // namespace thinwire
