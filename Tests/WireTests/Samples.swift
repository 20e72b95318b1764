import Wire

/// One value of each kind that travels or is stored, always the same.
struct Sample: Sendable, CustomStringConvertible {
  let name: String
  let bytes: [UInt8]
  /// Decodes, and gives the bytes of what was decoded.
  let reencoded: @Sendable ([UInt8]) throws(Malformed) -> [UInt8]
  /// Whether bytes decode to this very value.
  let isValue: @Sendable ([UInt8]) -> Bool

  init<T: Canonical & Equatable>(_ name: String, _ value: T) {
    self.name = name
    bytes = value.canonicalBytes
    reencoded = { bytes throws(Malformed) in try T(canonicalBytes: bytes).canonicalBytes }
    isValue = { bytes in (try? T(canonicalBytes: bytes)) == value }
  }

  var description: String { name }
}

enum Samples {
  static func digest(_ byte: UInt8) -> Digest {
    Digest([UInt8](repeating: byte, count: 32)) ?? .zero
  }

  static func key(_ byte: UInt8) -> PublicKey {
    guard let key = PublicKey([UInt8](repeating: byte, count: 32)) else {
      preconditionFailure("32 bytes are a key")
    }
    return key
  }

  static func signature(_ byte: UInt8) -> Signature {
    guard let signature = Signature([UInt8](repeating: byte, count: 64)) else {
      preconditionFailure("64 bytes are a signature")
    }
    return signature
  }

  static let subnet = digest(0x5b)

  static let notarize = Ballot.notarize(
    subnet: subnet, epoch: 1, view: 258, parentView: 257, block: digest(0xb1))
  static let nullify = Ballot.nullify(subnet: subnet, epoch: 1, view: 258)
  static let finalize = Ballot.finalize(
    subnet: subnet, epoch: 1, view: 258, parentView: 257, block: digest(0xb1))

  static let vote = Vote(ballot: notarize, signer: 3, signature: signature(0x51))
  static let nullifyVote = Vote(ballot: nullify, signer: 3, signature: signature(0x52))
  static let finalizeVote = Vote(ballot: finalize, signer: 3, signature: signature(0x53))
  static let certificate = Certificate(
    ballot: finalize, signers: Signers([0, 1, 3], of: 4),
    signatures: [signature(1), signature(2), signature(3)])

  static let state = StateStatement(
    subnet: subnet, epoch: 1, height: 77, block: digest(0xb1), stateRoot: digest(0x50),
    receiptsRoot: digest(0x60), time: 1_700_000_000_000)
  static let share = StateShare(statement: state, signer: 2, signature: signature(0x54))
  static let stateCertificate = StateCertificate(
    statement: state, signers: Signers([0, 2, 3], of: 4),
    signatures: [signature(1), signature(2), signature(3)])

  static func call(_ method: Method, sender: PublicKey?) -> Call {
    Call(
      subnet: subnet, pipeline: "bank", method: method, bodyDigest: digest(0xbd), bodyBytes: 5,
      idempotencyKey: "key-1", sender: sender, expiry: 1_700_000_600_000, stepLimit: 1_000_000)
  }
  static let methods: [Method] = [
    .ingest(source: "orders", format: .ndjson), .procedure("close"), .deploy, .topUp(7),
    .transfer(to: key(0xaa), 9), .grant(role: "auditor", to: key(0xaa)),
    .revoke(role: "auditor", from: key(0xaa)), .engines,
  ]
  static let signed = SignedCall(
    call: call(.ingest(source: "orders", format: .csv), sender: key(0xcc)),
    body: Array("a;b\n1".utf8), signature: signature(0x55))
  static let unsigned = SignedCall(
    call: call(.procedure("close"), sender: nil), body: Array("{}".utf8), signature: nil)

  static let header = Header(
    subnet: subnet, epoch: 1, view: 258, parentView: 257, parent: digest(0xb0), height: 78,
    time: 1_700_000_000_001, calls: [digest(1), digest(2)], certified: stateCertificate)
  static let firstHeader = Header(
    subnet: subnet, epoch: 0, view: 1, parentView: 0, parent: .zero, height: 1, time: 1, calls: [],
    certified: nil)
  static let block = Block(header: header, calls: [signed, unsigned])

  static let question = RecoveryQuestion(subnet: subnet, epoch: 1, asker: 2, nonce: digest(0x40))
  static let answer = RecoveryAnswer(
    subnet: subnet, epoch: 1, asker: 2, nonce: digest(0x40), responder: 3, view: 258,
    certificate: certificate, stateSigned: 77)

  static let receipt = Receipt(
    call: digest(0xca), height: 78, position: 1, time: 1_700_000_000_001, pipeline: "bank",
    status: .applied, replayOf: .init(call: digest(0xcb), height: 60), tally: tally,
    notes: [Note(name: "known_bank", count: 2, firstRow: 4, message: "no such bank: zürich")],
    usage: usage, charged: 123_456_789)
  static let refused = Receipt(
    call: digest(0xca), height: 78, position: 0, time: 1_700_000_000_001, pipeline: "bank",
    status: .refused(Refusal("FROZEN", "top it up")), replayOf: nil, tally: RowTally(), notes: [],
    usage: Usage(), charged: 0)
  static var tally: RowTally {
    var tally = RowTally()
    tally.accepted = 997
    tally.quarantined = 2
    tally.late = 1
    return tally
  }
  static var usage: Usage {
    var usage = Usage()
    usage.ingressBytes = 5
    usage.steps = 40_000
    usage.hashes = 23
    usage.receiptBytes = 321
    return usage
  }

  static let genesis = Genesis(
    name: "demo", protocolVersion: 1, time: 1_700_000_000_000, members: [key(1), key(2)],
    administrators: [key(3)], accounts: [.init(owner: key(4), balance: 1_000_000_000_000)],
    engines: [engine])
  static let engine = EngineFingerprint(
    source: "2022-12-28 14:03:47 df5c", options: digest(0x0e), probe: digest(0x0f))
  static let engines = EngineReport(
    accepted: [engine], proposals: [.init(administrator: key(0xaa), engine: engine)], needed: 2)

  static let messages: [Sample] = [
    Sample("proposal", Message.proposal(header: header, inlined: [signed], vote: vote)),
    Sample("vote", Message.vote(vote)),
    Sample("vote to nullify", Message.vote(nullifyVote)),
    Sample("vote to finalize", Message.vote(finalizeVote)),
    Sample("certificate", Message.certificate(certificate)),
    Sample("calls", Message.calls([signed, unsigned])),
    Sample("announce", Message.announce([digest(1), digest(2)])),
    Sample("callsWanted", Message.callsWanted([digest(1)])),
    Sample("viewsWanted", Message.viewsWanted([7, 300])),
    Sample("views", Message.views([certificate])),
    Sample("blockWanted", Message.blockWanted(digest(0xb1))),
    Sample("blocksWanted", Message.blocksWanted(from: 12, count: 32)),
    Sample("blocks", Message.blocks([block], finalizations: [certificate])),
    Sample("stateShare", Message.stateShare(share)),
    Sample("stateCertificate", Message.stateCertificate(stateCertificate)),
    Sample("stateWanted", Message.stateWanted(77)),
    Sample("recoveryQuestion", Message.recoveryQuestion(question, signature(0x56))),
    Sample("recoveryAnswer", Message.recoveryAnswer(answer, signature(0x57))),
    Sample("evidence of votes", Message.evidence(.votes(nullifyVote, finalizeVote))),
    Sample("evidence of states", Message.evidence(.states(share, share))),
  ]

  static let report = PipelineReport(
    pipeline: "bank", height: 78, time: 1_700_000_000_001, condition: .frozen, balance: 7,
    reserved: 0, burned: 30, burnedToday: 20, burnedYesterday: 10, storedBytes: 5,
    storageDaily: 2, freezesBelow: 9,
    burns: [
      BurnLine(kind: .source, name: "orders", cycles: 29),
      BurnLine(kind: .storage, name: "", cycles: 1),
    ], grants: [RoleGrant(role: "auditor", key: key(0xaa))], callerBudget: 100, publicBudget: 50,
    spending: [
      CallerSpending(caller: nil, cycles: 3), CallerSpending(caller: key(0xab), cycles: 4),
    ], counts: [counts])
  static var counts: SourceCounts {
    var counts = SourceCounts(source: "orders")
    counts.accepted = 5
    counts.quarantined = 4
    counts.dropped = 3
    counts.duplicates = 2
    counts.late = 1
    counts.released = 6
    counts.rejected = 7
    counts.expectations = [
      ExpectationCount(name: "cheap", action: "warn", checked: 12, violated: 2)
    ]
    return counts
  }

  static let values: [Sample] =
    [
      Sample("pipeline report", report),
      Sample("first header", firstHeader),
      Sample("receipt", receipt),
      Sample("refused receipt", refused),
      Sample("genesis", genesis),
      Sample("engine report", engines),
      Sample("committee", Committee(subnet: subnet, epoch: 2, keys: [key(1), key(2), key(3)])),
    ] + methods.map { Sample("call to \($0.label)", call($0, sender: key(0xcc))) }

  static let all = messages + values
}
