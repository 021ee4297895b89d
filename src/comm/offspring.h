// SPDX-License-Identifier: Apache-2.0
//
// Communicators made from another one. Their ranks meet at places that all ranks of the parent know
// (bootstrap/meeting_places.h), so neither its transport nor its engine is needed: it may have
// operations in flight, have been revoked or have failed. Links are taken over as they were when
// the parent was made; state is not. What is called here is for one thread at a time a parent.

#ifndef THINWIRE_COMM_OFFSPRING_H_
#define THINWIRE_COMM_OFFSPRING_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/status.h"
#include "bootstrap/unique_id.h"
#include "comm/communicator.h"

namespace thinwire {

// Every rank of the parent calls it. Ranks of one color make a communicator together, ordered by
// key, then by rank; those of kNoColor get none (null).
inline constexpr int kNoColor = -1;
Result<std::shared_ptr<Communicator>> Split(Communicator* parent, int color, int key,
                                            const Env& env);

// All ranks but `excluded` call it, with the same list; they keep their order. They need not have
// heard of each other: the lowest of them gathers the others.
Result<std::shared_ptr<Communicator>> Shrink(Communicator* parent, const std::vector<int>& excluded,
                                             const Env& env);

// The same for ranks that have agreed on who is left (`members`, ascending) and what for; what they
// did counts with what the parent did.
Result<std::shared_ptr<Communicator>> Remake(Communicator* parent, const std::vector<int>& members,
                                             const std::string& purpose, const Env& env);

// All ranks of the parent call it and keep their numbers; one of them brings the id (NewId) by
// which new ranks join, with Communicator::Create. Links are found anew.
Result<std::shared_ptr<Communicator>> Grow(Communicator* parent, int ranks,
                                           const std::optional<UniqueId>& id, const Env& env);

}  // namespace thinwire

#endif  // THINWIRE_COMM_OFFSPRING_H_
