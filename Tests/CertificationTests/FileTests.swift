import Certification
import Foundation
import Signing
import Testing
import Wire

@Suite struct `A saved answer` {
  private let fixture: Fixture
  init() throws { fixture = try Fixture() }

  private func samples() throws -> [SavedAnswer] {
    let request = fixture.request(.prefix([.text("bank 1")]))
    let leaves = fixture.receipts.map(ReceiptTree.leaf)
    let receipt = ReceiptProof(
      receipt: fixture.receipts[1], count: 5, path: ReceiptTree.path(of: 1, in: leaves))
    return [
      .rows(request, try fixture.answer(request)),
      .answers(fixture.query, (0..<2).map { fixture.signed(fixture.content(), by: $0) }),
      .receipt(CertifiedReceipt(proof: receipt, certificate: fixture.certificate)),
    ]
  }

  @Test func `is verified from its file alone`() throws {
    for saved in try samples() {
      let read = try SavedAnswer(file: saved.file)
      #expect(read == saved)
      let checked = try read.checked(by: fixture.check)
      #expect(checked.pipeline == "bank")
      #expect(checked.height == Fixture.height)
    }
    let rows = try samples()[0].checked(by: fixture.check)
    #expect(rows.table?.rows.count == 10)
    #expect(rows.claim.hasPrefix("3 replicas certified"))
  }

  @Test func `begins with words for people`() throws {
    let text = String(decoding: try samples()[0].file.prefix(400), as: UTF8.self)
    #expect(text.hasPrefix("quorate saved answer 1\nsubnet: "))
    #expect(text.contains("\ntable: gold_balance\n"))
  }

  @Test func `proves the same or nothing with any character of it altered`() throws {
    let base64 = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for saved in try samples() {
      let file = saved.file
      let honest = try SavedAnswer(file: file).checked(by: fixture.check)
      var refused = 0
      let text = String(decoding: file, as: UTF8.self)
      let body = try #require(text.range(of: "\n\n"))
      let start = text.utf8.distance(from: text.startIndex, to: body.upperBound)
      for offset in stride(from: start, to: file.count, by: 31) {
        guard let place = base64.firstIndex(of: file[offset]) else { continue }
        var bytes = file
        bytes[offset] = base64[(place + 1) % 64]
        // What a request says of its limit or expiry proves nothing; all else is refused.
        do throws(CheckFault) {
          let checked = try SavedAnswer(file: bytes).checked(by: fixture.check)
          #expect(checked == honest, "offset \(offset)")
        } catch {
          refused += 1
        }
      }
      #expect(refused > 5)
    }
  }

  @Test func `is none when cut, empty or something else`() throws {
    let file = try samples()[0].file
    for bytes in [[], Array("hello\n\n".utf8), [0xff, 0xfe], Array(file.prefix(30))] {
      #expect { try SavedAnswer(file: bytes) } throws: { ($0 as? CheckFault)?.check == .file }
    }
    for count in stride(from: 0, to: file.count - 6, by: 101) {
      #expect(throws: CheckFault.self) { try SavedAnswer(file: Array(file.prefix(count))) }
    }
  }

  @Test func `of another subnet is refused`() throws {
    let strangers = Committee(
      subnet: sha256([9]), epoch: 0, keys: fixture.committee.members.map(\.key))
    for saved in try samples() {
      #expect(throws: CheckFault.self) {
        try saved.checked(by: ClientCheck(committee: strangers))
      }
    }
  }
}

@Suite struct `A network file` {
  private func network(size: Int = 4) throws -> Network {
    let pairs = (0..<size).map { _ in KeyPair.generate() }
    let genesis = Genesis(
      name: "demo", protocolVersion: 1, time: 5, members: pairs.map(\.publicKey),
      administrators: [pairs[0].publicKey], accounts: [])
    let members = try pairs.enumerated().map { index, pair in
      let identity = try TransportIdentity.make(name: "replica-\(index)")
      return Network.Member(
        id: ReplicaID(UInt16(index)), key: pair.publicKey, host: "127.0.0.1",
        peerPort: UInt16(7_000 + index), httpPort: UInt16(8_000 + index),
        certificate: identity.certificatePEM, fingerprint: identity.fingerprint)
    }
    return try Network(genesis: genesis, members: members)
  }

  @Test func `is read back as it was written`() throws {
    let network = try network()
    let read = try Network(json: network.json)
    #expect(read == network)
    #expect(read.json == network.json)
    #expect(read.subnet == network.genesis.subnet)
    #expect(read.committee.members.map(\.key) == network.genesis.members)
  }

  private func fault(_ text: String) -> String? {
    do throws(NetworkFault) {
      _ = try Network(json: Array(text.utf8))
      return nil
    } catch {
      return error.description
    }
  }

  @Test func `says what is wrong with it`() throws {
    let network = try network()
    let text = String(decoding: network.json, as: UTF8.self)
    #expect(fault(text) == nil)
    let (first, second) = (network.members[0], network.members[1])
    let damages: [(String, String, String)] = [
      (network.subnet.hex, sha256([1]).hex, "not the digest of its genesis"),
      ("\"name\" : \"demo\"", "\"name\" : \"other\"", "not the one in its genesis"),
      (first.fingerprint.hex, second.fingerprint.hex, "not that of its certificate"),
      ("\"key\" : \"\(first.key.hex)\"", "\"key\" : \"zz\"", "not 64 hexadecimal digits"),
      ("\"quorate\" : 1", "\"quorate\" : 2", "of version 2"),
      ("\"peerPort\" : 7000", "\"peerPort\" : 70000", "out of range"),
      ("\"peerPort\" : 7000", "\"peerPort\" : \"x\"", "wrong type at members.[0].peerPort"),
      ("\"peerPort\" : 7000", "\"peerPort\" : 0", "lacks a host or a port"),
      ("\"host\"", "\"hosts\"", "\"host\" is missing"),
      ("BEGIN CERTIFICATE", "BEGIN LETTER", "not an X.509 certificate"),
      ("\"id\" : 0", "\"id\" : 1", "has the id 1"),
    ]
    for (what, with, expected) in damages {
      let range = try #require(text.range(of: what), "\(what)")
      let found = fault(text.replacingCharacters(in: range, with: with))
      #expect(found?.contains(expected) == true, "\(what): \(found ?? "taken")")
    }
    #expect(fault(String(text.dropLast(5)))?.contains("not JSON") == true)
    #expect(fault("")?.contains("not JSON") == true)
    #expect(fault("[]") != nil)
    // Keys that changed places.
    func key(_ member: Network.Member) -> String { "\"key\" : \"\(member.key.hex)\"" }
    let swapped = text.replacing(key(first), with: "first")
      .replacing(key(second), with: key(first)).replacing("first", with: key(second))
    #expect(fault(swapped)?.contains("not the one that the genesis names") == true)
  }
}

@Suite struct `Values` {
  @Test func `are equal by their bytes, not as Unicode has it`() {
    #expect(Value.text("é") == Value.text("é"))
    #expect(Value.text("\u{e9}") != Value.text("e\u{301}"))
    #expect(Value.int(0) != .null)
  }

  @Test func `have one golden form`() {
    let table = ResultTable(
      columns: [.init(name: "a", type: .decimal(scale: 2)), .init(name: "b", type: .text)],
      rows: [[.int(-1), .text("x")], [.null, .bytes([0xff])]])
    #expect(
      table.canonicalBytes.hex
        == "02" + "01610202" + "016200" + "02" + "01ffffffffffffffff" + "020178" + "00" + "0301ff")
    #expect((try? ResultTable(canonicalBytes: table.canonicalBytes)) == table)
  }

  @Test func `read as people write them`() {
    let cases: [(ColumnType, Value, String?)] = [
      (.decimal(scale: 2), .int(12_345), "123.45"), (.decimal(scale: 2), .int(-5), "-0.05"),
      (.decimal(scale: 0), .int(7), "7"), (.decimal(scale: 2), .int(.min), "-92233720368547758.08"),
      (.date, .int(0), "1970-01-01"), (.date, .int(19_782), "2024-02-29"),
      (.date, .int(-1), "1969-12-31"), (.date, .int(-719_528), "0000-01-01"),
      (.date, .int(.min), "-9223372036854775808"),
      (.timestamp, .int(1_700_000_000_123), "2023-11-14T22:13:20.123Z"),
      (.timestamp, .int(-1), "1969-12-31T23:59:59.999Z"),
      (.timestamp, .int(.min), "-9223372036854775808"),
      (.bool, .int(1), "true"), (.bool, .int(2), "2"), (.bytes, .bytes([0, 255]), "00ff"),
      (.text, .null, nil), (.undeclared, .int(3), "3"),
    ]
    for (type, value, text) in cases { #expect(type.text(of: value) == text) }
  }

  @Test func `claim no rows without columns`() {
    #expect(throws: Malformed.self) { try ResultTable(canonicalBytes: [0, 0x80, 0x08]) }
    #expect(throws: Never.self) { try ResultTable(canonicalBytes: [0, 0]) }
  }
}
