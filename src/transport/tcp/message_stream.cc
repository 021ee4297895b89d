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

void MessageStream::Start(const Outgoing& message) {
  sending_ = message;
  sending_head_ = PackMessageHead(message.head);
  sent_ = 0;
}

Outgoing MessageStream::Abandon() {
  sent_ = 0;
  return *std::exchange(sending_, std::nullopt);
}

MessageStream::Outcome MessageStream::Write(int fd) {
  while (sending_) {
    const std::span<const std::byte> body = sending_->bytes;
    const size_t of_head = std::min(sent_, kHeadBytes);
    iovec pieces[] = {Piece(std::span(sending_head_).subspan(of_head)),
                      Piece(body.subspan(sent_ - of_head))};
    const msghdr message = {.msg_name = nullptr,
                            .msg_namelen = 0,
                            .msg_iov = pieces,
                            .msg_iovlen = std::size(pieces),
                            .msg_control = nullptr,
                            .msg_controllen = 0,
                            .msg_flags = 0};
    const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return OutcomeOfErrno();
    sent_ += static_cast<size_t>(sent);
    if (sent_ < kHeadBytes + body.size()) continue;
    if (sending_->request != nullptr) sending_->request->state = Request::State::kDone;
    sending_.reset();
    sent_ = 0;
  }
  return Outcome::kDone;
}

MessageStream::Outcome MessageStream::Read(int fd, size_t budget, std::vector<Incoming>* incoming) {
  for (size_t total = 0; total < budget;) {
    // The rest of the body, and the head of the next message with it.
    const std::span<std::byte> body =
        body_ ? body_->buffer->bytes().subspan(body_filled_) : std::span<std::byte>();
    iovec pieces[] = {Piece(body), Piece(std::span(head_).subspan(head_filled_))};
    const ssize_t got = readv(fd, pieces, std::size(pieces));
    if (got == 0) return Outcome::kEnd;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return OutcomeOfErrno();
    const auto size = static_cast<size_t>(got);
    const size_t of_body = std::min(size, body.size());
    const bool all = size == pieces[0].iov_len + pieces[1].iov_len;
    total += size;
    body_filled_ += of_body;
    head_filled_ += size - of_body;
    if (of_body == body.size()) TakeBody(incoming);
    if (head_filled_ == kHeadBytes && !TakeHead(incoming)) return Outcome::kInvalid;
    if (!all) return Outcome::kBlocked;
  }
  return Outcome::kBlocked;
}

void MessageStream::TakeBody(std::vector<Incoming>* incoming) {
  if (body_) incoming->push_back(*std::exchange(body_, std::nullopt));
  body_filled_ = 0;
}

bool MessageStream::TakeHead(std::vector<Incoming>* incoming) {
  head_filled_ = 0;
  const std::optional<MessageHead> head = ParseMessageHead(head_);
  if (!head) return false;
  const bool data = head->kind == MessageHead::Kind::kData;
  body_ = {*head, data ? std::make_unique<OwnedBuffer>(head->number) : nullptr};
  if (!data || head->number == 0) TakeBody(incoming);
  return true;
}

}  // namespace thinwire
