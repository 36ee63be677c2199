"""Sends what no honest peer would. Needs raw sockets (root of its network namespace). Says how many packets it sent.

  attacker.py stun SERVER PORT SECONDS      binding requests with made-up names from many addresses of 127.0.0.0/8
  attacker.py knock SERVER PORT COUNT UFRAG binding requests for that session; says how many were answered
  attacker.py junk SERVER PORT COUNT        RTP, DTLS and noise from an address that never passed a check
  attacker.py forge SERVER PORT CLIENT PORT COUNT     SRTP with random tags, from a client's own address and port
  attacker.py replay SERVER PORT CLIENT PORT COUNT    SRTP of the client, captured and sent again
"""
import os
import random
import socket
import struct
import sys
import time
import zlib

from common import say

SEED = random.Random(7)


def stun_request(ufrag=None):
    """A well-formed binding request whose integrity is random, and USERNAME where none is given."""
    def attribute(kind, value):
        return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)
    ufrag = ufrag or "".join(SEED.choices("abcdefghijklmnopqrstuvwxyz0123456789+/", k=24))
    name = ufrag + ":abcd"
    body = attribute(0x0006, name.encode()) + attribute(0x0024, struct.pack("!I", 0x6E0001FF))
    body += attribute(0x0008, SEED.randbytes(20))
    head = struct.pack("!HHI", 1, len(body) + 8, 0x2112A442) + SEED.randbytes(12)
    return head + body + attribute(0x8028, struct.pack("!I", zlib.crc32(head + body) ^ 0x5354554E))


def flood(server, seconds):
    sockets = []
    for i in range(200):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((f"127.{1 + i % 120}.{i % 7}.{1 + i}", 0))
        s.setblocking(False)
        sockets.append(s)
    requests = [stun_request() for _ in range(256)]
    sent = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for i, s in enumerate(sockets):
            try:
                s.sendto(requests[(i + sent) % 256], server)
                sent += 1
            except BlockingIOError:
                pass
        time.sleep(0.005)
    return sent


def knock(server, count, ufrag):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    for _ in range(count):
        s.sendto(stun_request(ufrag), server)
    answers = 0
    try:
        while s.recv(2048):
            answers += 1
    except TimeoutError:
        say("answered", packets=answers)
    return count


def junk(server, count):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(count):
        kind = i % 5
        if kind == 0:
            data = b"\x80\x6f" + SEED.randbytes(100)
        elif kind == 1:
            data = b"\x16\xfe\xff" + SEED.randbytes(60)
        elif kind == 2:
            data = SEED.randbytes(SEED.randrange(1, 1400))
        elif kind == 3:
            data = b"\x00\x01" + SEED.randbytes(18)
        else:
            data = b"\x81\xc9" + SEED.randbytes(30)
        s.sendto(data, server)
    return count


def spoof(raw, source, target, data):
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(data), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(data), SEED.randrange(65536), 0, 64, 17, 0,
                     socket.inet_aton(source[0]), socket.inet_aton(target[0]))
    raw.sendto(ip + udp + data, (target[0], 0))


def captured(source, target, count):
    """Payloads of `count` RTP packets on their way from source to target, and where they really came from."""
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    sniffer.settimeout(10)
    found = []
    while len(found) < count:
        packet, where = sniffer.recvfrom(65536)
        if where[2] != socket.PACKET_OUTGOING or packet[0] >> 4 != 4 or packet[9] != 17:
            continue
        head = (packet[0] & 15) * 4
        ports = struct.unpack_from("!HH", packet, head)
        data = packet[head + 8:]
        addresses = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        if (addresses[0], ports[0]) == source and ports[1] == target[1] and len(data) > 40 \
                and 128 <= data[0] < 192 and not 192 <= data[1] <= 223:
            found.append((data, (addresses[1], ports[1])))
    return found


def main():
    mode, server = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
    if mode == "stun":
        return flood(server, float(sys.argv[4]))
    if mode == "knock":
        return knock(server, int(sys.argv[4]), sys.argv[5])
    if mode == "junk":
        return junk(server, int(sys.argv[4]))
    client, count = (sys.argv[4], int(sys.argv[5])), int(sys.argv[6])
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    stolen = captured(client, server, count if mode == "replay" else 1)
    for i in range(count):
        data, target = stolen[i % len(stolen)]
        if mode == "forge":
            # The client's SSRC, a sequence number that it will not reach meanwhile, and a body that no key signed.
            ahead = (struct.unpack_from("!H", data, 2)[0] + 500 + i) & 0xFFFF
            data = b"\x80" + data[1:2] + struct.pack("!H", ahead) + data[4:12] + os.urandom(len(data) - 12)
        spoof(raw, client, target, data)
    return count


say("sent", packets=main())
