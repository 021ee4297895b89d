// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/message_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace thinwire {
namespace {

constexpr size_t kHeadBytes = MessageHead::kBytes;

iovec Piece(std::span<const std::byte> bytes) {
  return {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
}

MessageStream::Outcome OutcomeOfErrno() {
  return errno == EAGAIN ? MessageStream::Outcome::kBlocked : MessageStream::Outcome::kBroken;
}

}  // namespace

MessageStream::Outcome MessageStream::WriteNext(int fd, std::shared_ptr<Outgoing> message,
                                                size_t most_bytes) {
  const size_t begun = message->begun;
  sending_bytes_ = message->bytes.subspan(begun);
  sending_bytes_ = sending_bytes_.first(std::min(sending_bytes_.size(), most_bytes));
  sending_head_ = PackMessageHead({.kind = message->kind,
                                   .length = static_cast<uint32_t>(sending_bytes_.size()),
                                   .total = static_cast<uint32_t>(message->bytes.size()),
                                   .offset = static_cast<uint32_t>(begun),
                                   .number = message->number});
  message->begun += sending_bytes_.size();
  sending_ = std::move(message);
  sent_ = 0;
  const Outcome outcome = Write(fd);
  if (outcome != Outcome::kDone && sent_ == 0) {
    sending_->begun = begun;
    sending_.reset();
  }
  return outcome;
}

MessageStream::Outcome MessageStream::Write(int fd) {
  while (sending_ != nullptr) {
    const size_t of_head = std::min(sent_, kHeadBytes);
    iovec pieces[] = {Piece(std::span(sending_head_).subspan(of_head)),
                      Piece(sending_bytes_.subspan(sent_ - of_head))};
    msghdr message = {};
    message.msg_iov = pieces;
    message.msg_iovlen = std::size(pieces);
    const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return OutcomeOfErrno();
    sent_ += static_cast<size_t>(sent);
    if (sent_ < kHeadBytes + sending_bytes_.size()) continue;
    sending_->left += sending_bytes_.size();
    if (sending_->left == sending_->bytes.size() && sending_->request != nullptr) {
      sending_->request->state = Request::State::kDone;
    }
    sending_.reset();
  }
  return Outcome::kDone;
}

MessageStream::Outcome MessageStream::Read(int fd, size_t budget, Assembly* assembly,
                                           std::vector<Incoming>* incoming) {
  for (size_t total = 0; total < budget;) {
    // The rest of the body, and the next head with it.
    iovec pieces[] = {Piece(body_), Piece(std::span(head_).subspan(head_filled_))};
    const ssize_t got = readv(fd, pieces, std::size(pieces));
    if (got == 0) return Outcome::kEnd;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return OutcomeOfErrno();
    const auto size = static_cast<size_t>(got);
    const size_t of_body = std::min(size, body_.size());
    total += size;
    head_filled_ += size - of_body;
    if (of_body > 0) {
      body_ = body_.subspan(of_body);
      if (body_.empty()) TakeBody(assembly, incoming);
    }
    if (head_filled_ == kHeadBytes && !TakeHead(assembly, incoming)) return Outcome::kInvalid;
    if (size < pieces[0].iov_len + pieces[1].iov_len) return Outcome::kBlocked;
  }
  return Outcome::kBlocked;
}

void MessageStream::TakeBody(Assembly* assembly, std::vector<Incoming>* incoming) {
  std::unique_ptr<OwnedBuffer> whole = assembly->Finish(reading_);
  if (whole != nullptr) incoming->push_back({reading_.kind, reading_.number, std::move(whole)});
}

bool MessageStream::TakeHead(Assembly* assembly, std::vector<Incoming>* incoming) {
  head_filled_ = 0;
  const std::optional<MessageHead> head = ParseMessageHead(head_);
  if (!head) return false;
  if (head->kind != MessageHead::Kind::kData) {
    incoming->push_back({head->kind, head->number, nullptr});
    return true;
  }
  const std::optional<std::span<std::byte>> body = assembly->Begin(*head);
  if (!body) return false;
  reading_ = *head;
  body_ = *body;
  if (body_.empty()) TakeBody(assembly, incoming);
  return true;
}

}  // namespace thinwire
