// SPDX-License-Identifier: Apache-2.0
// Line-wise copying from pipes.
#include "line_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace thinwire::lab {

void LineOutput::Add(UniqueFd source, int target, std::string prefix) {
  fcntl(source.get(), F_SETFL, O_NONBLOCK);
  streams_.push_back({std::move(source), target, std::move(prefix), ""});
}

void LineOutput::AppendPolled(std::vector<pollfd>* polled) const {
  for (const Stream& stream : streams_) {
    if (stream.source.valid()) polled->push_back({stream.source.get(), POLLIN, 0});
  }
}

bool LineOutput::Pump() {
  bool writable = true;
  for (Stream& stream : streams_) {
    if (stream.source.valid() && !PumpStream(&stream)) writable = false;
  }
  return writable;
}

void LineOutput::Finish() {
  Pump();
  for (Stream& stream : streams_) {
    if (!stream.partial.empty()) WriteLines(stream, stream.partial + "\n");
    stream.partial.clear();
    stream.source.Close();
  }
}

bool LineOutput::PumpStream(Stream* stream) {
  char buffer[65536];
  for (;;) {
    const ssize_t size = read(stream->source.get(), buffer, sizeof(buffer));
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) {
      stream->source.Close();
      return true;
    }
    stream->partial.append(buffer, static_cast<size_t>(size));
    const size_t end = stream->partial.rfind('\n');
    if (end == std::string::npos) continue;
    const bool written = WriteLines(*stream, std::string_view(stream->partial).substr(0, end + 1));
    stream->partial.erase(0, end + 1);
    if (!written) return false;
  }
}

bool LineOutput::WriteLines(const Stream& stream, std::string_view lines) {
  std::string text;
  while (!lines.empty()) {
    const size_t end = lines.find('\n') + 1;
    text.append(stream.prefix).append(lines.substr(0, end));
    lines.remove_prefix(end);
  }
  for (size_t done = 0; done < text.size();) {
    const ssize_t size = write(stream.target, text.data() + done, text.size() - done);
    if (size < 0 && errno == EAGAIN) {
      pollfd ready = {stream.target, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (size < 0 && errno != EINTR) {
      return false;
    } else if (size > 0) {
      done += static_cast<size_t>(size);
    }
  }
  return true;
}

}  // namespace thinwire::lab
