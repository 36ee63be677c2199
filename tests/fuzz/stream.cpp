// A TCP stream taken apart: whole, and cut as the input's first bytes say, which must make no difference.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "net/stun/message.h"
#include "net/stun/stream_reader.h"

using namespace sluice;
using stun::StreamReader;

namespace {

using Buffer = std::vector<uint8_t>;

void require(bool promise) {
  if (!promise) std::abort();
}

struct Result {
  std::vector<Buffer> messages;
  size_t oversize = 0;
  bool malformed = false;
  stun::StreamFraming framing = stun::StreamFraming::unknown;

  bool operator==(const Result&) const = default;
};

/// True if the stream goes on.
bool take(StreamReader& r, Bytes in, Result& out) {
  for (;;) {
    const size_t before = in.size();
    const StreamReader::Step s = r.next(in);
    require(in.size() <= before);
    switch (s.got) {
      case StreamReader::Got::more:
        require(in.empty());
        return true;
      case StreamReader::Got::malformed:
        out.malformed = true;
        return false;
      case StreamReader::Got::oversize:
        ++out.oversize;
        break;
      case StreamReader::Got::message:
        require(!s.message.empty() && s.message.size() <= StreamReader::kMaxMessage);
        out.messages.emplace_back(s.message.begin(), s.message.end());
    }
  }
}

Result read(Bytes stream, size_t cut) {
  StreamReader r;
  Result out;
  for (bool on = true; on && !stream.empty();) {
    const Buffer piece(stream.begin(),
                       stream.begin() + static_cast<std::ptrdiff_t>(std::min(cut, stream.size())));
    stream = stream.subspan(piece.size());
    on = take(r, piece, out);
  }
  out.framing = r.framing();
  return out;
}

/// What was read, framed again, is read as the same.
void again(const Result& first) {
  if (first.framing == stun::StreamFraming::unknown || first.messages.empty()) return;
  Buffer stream;
  for (const Buffer& m : first.messages) {
    const stun::StreamFrame f = stun::stream_frame(first.framing, m);
    stream.insert(stream.end(), f.prefix.begin(), f.prefix.begin() + f.prefix_n);
    stream.insert(stream.end(), m.begin(), m.end());
    stream.resize(stream.size() + f.padding);
  }
  const Result second = read(stream, SIZE_MAX);
  require(second.messages == first.messages && second.framing == first.framing);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const Bytes stream(data + 1, size - 1);
  const Result whole = read(stream, SIZE_MAX);
  require(read(stream, 1 + data[0]) == whole);
  require(read(stream, 1) == whole);
  again(whole);
  return 0;
}
