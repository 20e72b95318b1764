import Signing
import Testing
import Wire

@Suite struct `SHA-256` {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func `gives the digests of FIPS 180-4`(text: String, hex: String) {
    #expect(sha256(Array(text.utf8)).hex == hex)
  }

  @Test func `gives the same in parts and anew after it finished`() {
    let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    var hasher = SHA256()
    for _ in 0..<2 {
      for start in stride(from: 0, to: 1_000, by: 37) {
        hasher.update(Array(bytes[start..<min(start + 37, 1_000)]))
      }
      #expect(hasher.finish() == sha256(bytes))
    }
    hasher.update(sha256([1]))
    #expect(hasher.finish() == sha256(sha256([1]).bytes))
  }

  @Test func `gives the same on many threads at once`() async {
    let expected = (0..<64).map { sha256([UInt8($0)]) }
    await withTaskGroup(of: [Digest].self) { group in
      for _ in 0..<8 {
        group.addTask { (0..<64).map { sha256([UInt8($0)]) } }
      }
      for await digests in group { #expect(digests == expected) }
    }
  }
}

@Suite struct `A key pair` {
  /// RFC 8032, section 7.1, test 1.
  @Test func `has the public key of RFC 8032`() throws {
    let seed = try #require(
      [UInt8](hex: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    let pair = try #require(KeyPair(seed: seed))
    #expect(
      pair.publicKey.hex == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    #expect(pair.seed == seed)
    #expect(!"\(pair)".contains("9d61b19d"))
  }

  @Test func `needs 32 bytes, and differs each time`() {
    #expect(KeyPair(seed: [1, 2, 3]) == nil)
    #expect(KeyPair.generate().publicKey != KeyPair.generate().publicKey)
  }

  @Test func `signs the same bytes the same way`() throws {
    let subnet = Subnet(size: 4, mock: false)
    #expect(subnet.signers[0].sign(subnet.ballot) == subnet.signers[0].sign(subnet.ballot))
    #expect(subnet.signers[0].sign(subnet.ballot) != subnet.signers[0].sign(subnet.nullify))
  }
}

@Suite struct `The mock scheme` {
  @Test func `tells apart keys, statements and every flipped bit`() {
    let subnet = Subnet(size: 4, mock: true)
    let (verifier, committee) = (subnet.verifier, subnet.committee)
    let signature = subnet.signers[0].sign(subnet.ballot)
    #expect(
      verifier.verifies(signature, of: subnet.ballot, by: committee.members[0].key))
    #expect(!verifier.verifies(signature, of: subnet.ballot, by: committee.members[1].key))
    for index in 0..<64 {
      #expect(
        !verifier.verifies(
          signature.flipped(at: index), of: subnet.ballot, by: committee.members[0].key))
    }
    var seen: [Signature] = []
    for view in 0..<200 as Range<UInt64> {
      let ballot = Ballot.nullify(subnet: committee.subnet, epoch: 2, view: View(view))
      seen.append(subnet.signers[0].sign(ballot))
    }
    #expect(Set(seen).count == 200)
  }
}

@Suite struct `A transport identity` {
  @Test func `is a certificate with its key and fingerprint`() throws {
    let identity = try TransportIdentity.make(name: "replica-3")
    #expect(identity.certificatePEM.hasPrefix("-----BEGIN CERTIFICATE-----\n"))
    #expect(identity.privateKeyPEM.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
    #expect(
      TransportIdentity.fingerprint(ofPEM: identity.certificatePEM) == identity.fingerprint)
    let other = try TransportIdentity.make(name: "replica-3")
    #expect(other.fingerprint != identity.fingerprint)
  }

  @Test(arguments: ["", "a,DNS:evil", "a b", String(repeating: "a", count: 65)])
  func `refuses a name that cannot stand in it`(name: String) {
    #expect(throws: SigningFault.self) { try TransportIdentity.make(name: name) }
  }

  @Test func `has no fingerprint when it is none`() {
    #expect(TransportIdentity.fingerprint(ofPEM: "") == nil)
    #expect(TransportIdentity.fingerprint(ofPEM: "-----BEGIN CERTIFICATE-----\nAAAA\n") == nil)
  }
}

@Suite struct `A genesis` {
  @Test func `names its subnet by everything in it`() throws {
    let keys = Subnet(size: 4, mock: false).committee.members.map(\.key)
    func genesis(_ name: String, _ members: [PublicKey]) -> Genesis {
      Genesis(
        name: name, protocolVersion: 1, time: 5, members: members, administrators: [],
        accounts: [])
    }
    let first = genesis("a", keys)
    #expect(first.subnet == genesis("a", keys).subnet)
    #expect(first.subnet != genesis("b", keys).subnet)
    #expect(first.subnet != genesis("a", keys.reversed()).subnet)
    #expect(first.committee.subnet == first.subnet)
    #expect(first.isSound)
    #expect(!genesis("a", []).isSound)
    #expect(!genesis("a", keys + [keys[0]]).isSound)
  }
}
