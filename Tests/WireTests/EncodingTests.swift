import Testing
import Wire

@Suite struct `A canonical encoding` {
  @Test(arguments: Samples.all)
  func `is the golden one, and is read back`(sample: Sample) throws {
    let golden = try #require(Golden.bytes[sample.name], "no golden bytes of \(sample.name)")
    let hex = golden.filter { !$0.isWhitespace }
    #expect(sample.bytes.hex == hex)
    let bytes = try #require([UInt8](hex: hex))
    #expect(sample.isValue(bytes))
  }

  @Test func `is golden for each sample and for no other`() {
    #expect(Golden.bytes.keys.sorted() == Samples.all.map(\.name).sorted())
  }

  @Test(arguments: Samples.all)
  func `is refused when it ends early`(sample: Sample) {
    #expect(sample.isValue(sample.bytes))
    for count in 0..<sample.bytes.count {
      #expect(throws: Malformed.self) { try sample.reencoded(Array(sample.bytes.prefix(count))) }
    }
  }

  @Test(arguments: Samples.all)
  func `is refused when something follows it`(sample: Sample) {
    #expect(throws: Malformed.self) { try sample.reencoded(sample.bytes + [0]) }
  }

  /// One flipped bit gives no value or another one, whose only encoding is the flipped bytes.
  @Test(arguments: Samples.all)
  func `means something else or nothing with any bit flipped`(sample: Sample) {
    for index in sample.bytes.indices {
      for bit in [0x01, 0x10, 0x80] as [UInt8] {
        var flipped = sample.bytes
        flipped[index] ^= bit
        guard let again = try? sample.reencoded(flipped) else { continue }
        #expect(again == flipped, "byte \(index) ^ \(bit)")
        #expect(!sample.isValue(flipped), "byte \(index) ^ \(bit)")
      }
    }
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func `of chance bytes is none, or the only one`(seed: UInt64) {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    func next() -> UInt8 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
    for _ in 0..<300 {
      var bytes = (0..<Int(next())).map { _ in next() }
      if let first = bytes.first { bytes[0] = first % 20 }
      if let again = try? Message(canonicalBytes: bytes).canonicalBytes { #expect(again == bytes) }
      if let again = try? Receipt(canonicalBytes: bytes).canonicalBytes { #expect(again == bytes) }
    }
  }
}

@Suite struct `A decoder` {
  private func fault<R>(_ bytes: [UInt8], _ read: (inout Decoder) throws(Malformed) -> R) -> String?
  {
    var decoder = Decoder(bytes)
    do throws(Malformed) {
      _ = try read(&decoder)
      return nil
    } catch {
      return error.what
    }
  }

  @Test func `takes a length in its shortest form only`() throws {
    func length(_ bytes: [UInt8]) -> String? {
      fault(bytes) { decoder throws(Malformed) in try decoder.length(limit: .max) }
    }
    #expect(length([0x00]) == nil)
    #expect(length([0x7f]) == nil)
    #expect(length([0x80, 0x01]) == nil)
    #expect(length([0xff, 0xff, 0xff, 0xff, 0x0f]) == nil)
    #expect(length([0x80, 0x00]) != nil)
    #expect(length([0xff, 0x80, 0x00]) != nil)
    #expect(length([0xff, 0xff, 0xff, 0xff, 0x1f]) != nil)
    #expect(length([0x80, 0x80, 0x80, 0x80, 0x80, 0x01]) != nil)
    #expect(length([0x80]) != nil)
  }

  @Test func `reads back each length that is written`() throws {
    for value in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, Int(UInt32.max)] {
      var encoder = Encoder()
      encoder.length(value)
      var decoder = Decoder(encoder.bytes)
      #expect(try decoder.length(limit: .max) == value)
      try decoder.finish()
    }
  }

  @Test func `takes no length over its limit`() {
    #expect(fault([5]) { decoder throws(Malformed) in try decoder.length(limit: 5) } == nil)
    #expect(fault([6]) { decoder throws(Malformed) in try decoder.length(limit: 5) } != nil)
  }

  @Test func `takes 0 and 1 for a flag, and UTF-8 for a text`() {
    #expect(fault([1]) { decoder throws(Malformed) in try decoder.flag() } == nil)
    #expect(fault([2]) { decoder throws(Malformed) in try decoder.flag() } != nil)
    let text = { (decoder: inout Decoder) throws(Malformed) in try decoder.text(limit: 9) }
    #expect(fault([2, 0xc3, 0xbc], text) == nil)
    #expect(fault([2, 0xc3, 0x28], text) != nil)
    #expect(fault([3, 0xed, 0xa0, 0x80], text) != nil)
  }

  @Test func `reserves nothing for a list that is only claimed`() {
    // Two thousand million digests, of which none follows.
    let bytes: [UInt8] = [4, 0xff, 0xff, 0xff, 0xff, 0x07]
    #expect(throws: Malformed.self) { try Message(canonicalBytes: bytes) }
    #expect(throws: Malformed.self) { try Message(canonicalBytes: [4, 0x80, 0x20]) }
  }

  @Test func `reads integers little-endian`() throws {
    var decoder = Decoder([0x01, 0x02, 0x03, 0x04, 0xff, 0xff])
    #expect(try decoder.integer(UInt32.self) == 0x0403_0201)
    #expect(try decoder.integer(Int16.self) == -1)
  }
}

@Suite struct `Names and numbers` {
  @Test func `write digests as lower-case hexadecimal and read only that`() {
    let digest = Digest((0..<32).map { UInt8($0) })
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    #expect(digest?.hex == hex)
    #expect(Digest(hex: hex) == digest)
    #expect(Digest(hex: hex.uppercased()) == nil)
    #expect(Digest(hex: String(hex.dropLast(2))) == nil)
    #expect(Digest([1, 2, 3]) == nil)
    #expect(digest?.bytes == (0..<32).map { UInt8($0) })
  }

  @Test func `order digests as their bytes`() {
    let small = Samples.digest(0x01)
    var bytes = small.bytes
    bytes[31] = 2
    #expect(Digest(bytes).map { small < $0 } == true)
    #expect(small < Samples.digest(0xff))
  }

  @Test func `cannot overflow`() {
    #expect(View(.max).next == View(.max))
    #expect(View(5).advanced(by: .max) == View(.max))
    #expect(View(3).above(View(5)) == 0)
  }

  @Test(arguments: [
    (1, 0, 1), (4, 1, 3), (5, 1, 4), (7, 2, 5), (13, 4, 9), (14, 4, 10), (40, 13, 27),
  ])
  func `know a committee's faults and quorum`(size: Int, faults: Int, quorum: Int) {
    let keys = (0..<size).map { Samples.key(UInt8($0)) }
    let committee = Committee(subnet: Samples.subnet, epoch: 0, keys: keys)
    #expect(committee.faultsMax == faults)
    #expect(committee.quorum == quorum)
    #expect(committee.leader(of: View(UInt64(size))) == 0)
    #expect(committee.key(of: ReplicaID(UInt16(size))) == nil)
  }

  @Test func `bind domain and subnet into what is signed`() {
    let bytes = Samples.notarize.signedBytes
    #expect(bytes.starts(with: [14] + Array("quorate/vote/1".utf8) + Samples.subnet.bytes))
    #expect(Samples.nullify.signedBytes != Samples.finalize.signedBytes)
  }
}

@Suite struct `A block` {
  /// With the longest names, and a certificate of the largest committee.
  @Test(arguments: [0, 1, 100])
  func `weighs no less than its encoding`(count: Int) {
    let name = String(repeating: "n", count: Limits.nameBytesMax)
    let call = Call(
      subnet: Samples.subnet, pipeline: name, method: .grant(role: name, to: Samples.key(1)),
      bodyDigest: Samples.digest(2), bodyBytes: 3,
      idempotencyKey: String(repeating: "k", count: Limits.idempotencyKeyBytesMax),
      sender: Samples.key(4), expiry: 5, stepLimit: 6)
    let signed = SignedCall(call: call, body: [7, 8, 9], signature: Samples.signature(10))
    let members = (0..<UInt16(Limits.membersMax)).map { ReplicaID($0) }
    let certified = StateCertificate(
      statement: Samples.state, signers: Signers(members, of: members.count),
      signatures: members.map { _ in Samples.signature(11) })
    let header = Header(
      subnet: Samples.subnet, epoch: 1, view: 2, parentView: 1, parent: Samples.digest(12),
      height: 3, time: 4, calls: [Digest](repeating: Samples.digest(13), count: count),
      certified: certified)
    let block = Block(header: header, calls: [SignedCall](repeating: signed, count: count))
    #expect(block.weight >= block.canonicalBytes.count)
    #expect(block.weight <= Limits.blockWeightMax)
    // Bodies that it names and does not bring have a place too.
    #expect(Block(header: header, calls: []).weight >= header.canonicalBytes.count)
  }
}
