#include "net/stun/stream_reader.h"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "net/stun/message.h"

using namespace sluice;
using stun::StreamFraming;
using stun::StreamReader;
using Buffer = std::vector<uint8_t>;

namespace {

Buffer stun_message(size_t attributes = 0) {
  Buffer m(stun::kHeaderBytes + attributes, 0x5a);
  store_be<uint16_t>(&m[0], 0x0001);
  store_be<uint16_t>(&m[2], static_cast<uint16_t>(attributes));
  store_be<uint32_t>(&m[4], stun::kMagicCookie);
  return m;
}

Buffer channel_data(size_t n) {
  Buffer m(4 + n, 0xc3);
  store_be<uint16_t>(&m[0], 0x4001);
  store_be<uint16_t>(&m[2], static_cast<uint16_t>(n));
  return m;
}

Buffer bytes_of(size_t n, uint8_t first) {
  Buffer m(n, 0x77);
  if (n > 0) m[0] = first;
  return m;
}

void append(Buffer& stream, StreamFraming framing, const Buffer& message) {
  const stun::StreamFrame f = stun::stream_frame(framing, message);
  stream.insert(stream.end(), f.prefix.begin(), f.prefix.begin() + f.prefix_n);
  stream.insert(stream.end(), message.begin(), message.end());
  stream.resize(stream.size() + f.padding);
}

struct Read {
  std::vector<Buffer> messages;
  size_t oversize = 0;
  bool malformed = false;
};

/// `cut`: how many bytes come next.
template <class F>
Read read(StreamReader& r, Bytes stream, F&& cut) {
  Read out;
  while (!stream.empty() && !out.malformed) {
    const size_t n = std::min<size_t>(cut(), stream.size());
    // Freed behind: what is kept must have been copied.
    const Buffer piece(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(n));
    Bytes in(piece);
    stream = stream.subspan(n);
    for (bool more = true; more;) {
      const StreamReader::Step s = r.next(in);
      switch (s.got) {
        case StreamReader::Got::message:
          out.messages.emplace_back(s.message.begin(), s.message.end());
          break;
        case StreamReader::Got::oversize:
          ++out.oversize;
          break;
        case StreamReader::Got::malformed:
          out.malformed = true;
          [[fallthrough]];
        case StreamReader::Got::more:
          more = false;
      }
    }
    if (!out.malformed) CHECK(in.empty());
  }
  return out;
}

Read read_whole(StreamReader& r, Bytes stream) {
  return read(r, stream, [] { return SIZE_MAX; });
}

}  // namespace

TEST_CASE("a stream that begins with a length and a STUN message is RFC 4571, whatever follows") {
  StreamReader r;
  CHECK(r.framing() == StreamFraming::unknown);
  Buffer stream;
  const std::vector<Buffer> sent{stun_message(8), bytes_of(1, 22), bytes_of(200, 0x80),
                                 bytes_of(StreamReader::kMaxMessage, 0x90)};
  for (const Buffer& m : sent) append(stream, StreamFraming::rfc4571, m);
  const Read got = read_whole(r, stream);
  CHECK(r.framing() == StreamFraming::rfc4571);
  CHECK_FALSE(got.malformed);
  CHECK(got.messages == sent);
}

TEST_CASE("a stream that begins with a STUN message is TURN; ChannelData comes padded and leaves unpadded") {
  StreamReader r;
  Buffer stream;
  std::vector<Buffer> sent{stun_message(12)};
  for (size_t n = 0; n < 9; ++n) sent.push_back(channel_data(n));
  sent.push_back(stun_message());
  for (const Buffer& m : sent) append(stream, StreamFraming::turn, m);
  CHECK(stream.size() % 4 == 0);
  const Read got = read_whole(r, stream);
  CHECK(r.framing() == StreamFraming::turn);
  CHECK(got.messages == sent);
}

TEST_CASE("a message that is padded already gets no more padding") {
  Buffer padded = channel_data(5);
  padded.resize(12);
  CHECK(stun::stream_frame(StreamFraming::turn, padded).padding == 0);
  CHECK(stun::stream_frame(StreamFraming::turn, channel_data(5)).padding == 3);
}

TEST_CASE("channels of RFC 5766, up to 0x7FFF, are channels on a stream too") {
  StreamReader r;
  Buffer stream = stun_message(), data = channel_data(4);
  data[0] = 0x7f;
  stream.insert(stream.end(), data.begin(), data.end());
  CHECK(read_whole(r, stream).messages.size() == 2);
}

TEST_CASE("what begins neither way is malformed at its tenth byte, not before") {
  for (const Buffer& first : {bytes_of(64, 'G'), bytes_of(64, 0x16), channel_data(60), bytes_of(64, 0)}) {
    StreamReader r;
    Bytes head = Bytes(first).first(9);
    CHECK(r.next(head).got == StreamReader::Got::more);
    Bytes tenth = Bytes(first).subspan(9, 1);
    CHECK(r.next(tenth).got == StreamReader::Got::malformed);
  }
}

TEST_CASE("an RFC 4571 length shorter than the STUN message behind it is no beginning") {
  Buffer stream;
  append(stream, StreamFraming::rfc4571, stun_message());
  store_be<uint16_t>(stream.data(), 19);
  StreamReader r;
  CHECK(read_whole(r, stream).malformed);
}

TEST_CASE("a TURN stream that loses its framing is malformed") {
  SUBCASE("by a first byte that is neither STUN nor a channel") {
    for (const uint8_t first : {uint8_t{0x04}, uint8_t{0x3f}, uint8_t{0x80}, uint8_t{0xff}}) {
      StreamReader r;
      Buffer stream = stun_message();
      const Buffer junk = bytes_of(40, first);
      stream.insert(stream.end(), junk.begin(), junk.end());
      const Read got = read_whole(r, stream);
      CHECK(got.messages.size() == 1);
      CHECK(got.malformed);
    }
  }
  SUBCASE("by a STUN length that is no multiple of four") {
    StreamReader r;
    Buffer stream = stun_message();
    Buffer odd = stun_message(4);
    odd[3] = 3;
    stream.insert(stream.end(), odd.begin(), odd.end());
    CHECK(read_whole(r, stream).malformed);
  }
  SUBCASE("by a STUN message without the cookie") {
    StreamReader r;
    Buffer stream = stun_message();
    Buffer bare = stun_message(4);
    bare[4] = 0;
    stream.insert(stream.end(), bare.begin(), bare.end());
    CHECK(read_whole(r, stream).malformed);
  }
}

TEST_CASE("a message longer than a packet's slot is passed over, and the next one is read") {
  for (const StreamFraming framing : {StreamFraming::rfc4571, StreamFraming::turn}) {
    const bool turn = framing == StreamFraming::turn;
    for (const size_t n : {StreamReader::kMaxMessage + 1, size_t{9000}, size_t{65531}}) {
      StreamReader r;
      Buffer stream;
      append(stream, framing, stun_message());
      append(stream, framing, turn ? channel_data(n) : bytes_of(n, 0x80));
      append(stream, framing, stun_message(4));
      const Read got = read(r, stream, [] { return 1000; });
      CHECK(got.oversize == 1);
      CHECK(got.messages == std::vector{stun_message(), stun_message(4)});
    }
  }
}

TEST_CASE("empty RFC 4571 frames are passed over") {
  StreamReader r;
  Buffer stream;
  append(stream, StreamFraming::rfc4571, stun_message());
  stream.insert(stream.end(), {0, 0, 0, 0});
  append(stream, StreamFraming::rfc4571, bytes_of(3, 0x80));
  CHECK(read(r, stream, [] { return 1; }).messages.size() == 2);
}

TEST_CASE("how the bytes are cut makes no difference") {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
    const StreamFraming framing = seed % 2 == 0 ? StreamFraming::turn : StreamFraming::rfc4571;
    std::vector<Buffer> sent{stun_message(4 * below(10))};
    for (size_t i = 0; i < 20; ++i) {
      if (framing == StreamFraming::rfc4571)
        sent.push_back(bytes_of(1 + below(StreamReader::kMaxMessage), 0x80));
      else
        sent.push_back(below(2) == 0 ? stun_message(4 * below(400)) : channel_data(below(1800)));
    }
    Buffer stream;
    for (const Buffer& m : sent) append(stream, framing, m);
    StreamReader r;
    const size_t longest = 1 + below(3000);
    CHECK(read(r, stream, [&] { return 1 + below(longest); }).messages == sent);
    CHECK(r.framing() == framing);
  }
}
