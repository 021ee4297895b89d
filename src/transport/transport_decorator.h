// SPDX-License-Identifier: Apache-2.0
//
// What the decorators share: a Transport that wraps another and, unless it overrides, passes calls
// on. Its address wraps the inner one under its own name, so that a decorated rank and a plain one
// refuse each other. Layer: transport. Threads: as the inner transport's.

#ifndef THINWIRE_TRANSPORT_TRANSPORT_DECORATOR_H_
#define THINWIRE_TRANSPORT_TRANSPORT_DECORATOR_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transport/address.h"
#include "transport/transport.h"

namespace thinwire {

class TransportDecorator : public Transport {
 public:
  TransportDecorator(std::string_view adds, std::unique_ptr<Transport> inner)
      : name_(fmt::format("{}({})", adds, inner->name())), inner_(std::move(inner)) {}

  std::string name() const override { return name_; }

  Result<std::string> Address() override {
    TW_ASSIGN(const std::string inner, inner_->Address());
    return PackAddress(name_, inner);
  }

  Status Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) override {
    std::vector<std::string> inner(addresses.size());
    for (size_t r = 0; r < addresses.size(); ++r) {
      if (static_cast<int>(r) == rank) continue;
      TW_ASSIGN(inner[r], UnpackAddress(name_, addresses[r], static_cast<int>(r)));
    }
    return inner_->Connect(rank, inner, deadline);
  }

  Status PeerStatus(int peer) const override { return inner_->PeerStatus(peer); }
  PathFigures PathTo(int peer) const override { return inner_->PathTo(peer); }
  void Wake() override { inner_->Wake(); }
  void Close(TimePoint deadline) override { inner_->Close(deadline); }

 protected:
  Transport& inner() { return *inner_; }
  const Transport& inner() const { return *inner_; }

 private:
  const std::string name_;
  const std::unique_ptr<Transport> inner_;  // of the base: destroyed after what a decorator holds
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TRANSPORT_DECORATOR_H_
