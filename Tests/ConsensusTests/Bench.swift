import Signing
import Wire

@testable import Consensus

/// One replica's voting rules, and the hands of all the others.
struct Bench {
  let committee: Committee
  let me: ReplicaID
  var simplex: Simplex
  var acts: [Act] = []

  init(_ size: Int = 4, me: UInt16 = 0, planted: Set<PlantedBug> = []) {
    let keys = (0..<size).compactMap { PublicKey(sha256([UInt8($0)]).bytes) }
    committee = Committee(subnet: sha256([9]), epoch: 0, keys: keys)
    self.me = ReplicaID(me)
    simplex = Simplex(
      committee: committee, me: ReplicaID(me), signer: .mock(keys[Int(me)]), verifier: .mock,
      delay: .milliseconds(100), idle: .seconds(1), genesisTime: 1_000, planted: planted)
    simplex.now = 10_000
  }

  mutating func start() {
    simplex.start()
    gather()
  }

  /// Takes the acts, and makes every block durable at once.
  mutating func gather() {
    while !simplex.acts.isEmpty {
      let new = simplex.acts
      simplex.acts = []
      acts += new
      for case .record(.block(let digest, _)) in new { simplex.durable(digest) }
    }
  }

  // MARK: What others make

  func header(
    _ view: View, on parent: Header? = nil, time: Moment? = nil, certified: StateCertificate? = nil
  ) -> Header {
    Header(
      subnet: committee.subnet, epoch: 0, view: view, parentView: parent?.view ?? 0,
      parent: parent?.digest ?? .zero, height: (parent?.height ?? 0).next,
      time: time ?? Moment(2_000 + view.number), calls: [], certified: certified)
  }

  func notarize(_ header: Header) -> Ballot {
    .notarize(
      subnet: committee.subnet, epoch: 0, view: header.view, parentView: header.parentView,
      block: header.digest)
  }

  func finalize(_ header: Header) -> Ballot {
    .finalize(
      subnet: committee.subnet, epoch: 0, view: header.view, parentView: header.parentView,
      block: header.digest)
  }

  func nullify(_ view: View) -> Ballot {
    .nullify(subnet: committee.subnet, epoch: 0, view: view)
  }

  func vote(_ ballot: Ballot, by id: ReplicaID) -> Vote {
    let signer = Signer.mock(committee.members[id.index].key)
    return Vote(ballot: ballot, signer: id, signature: signer.sign(ballot))
  }

  func certificate(_ ballot: Ballot) -> Certificate {
    let ids = (0..<committee.quorum).map { ReplicaID(UInt16(committee.size - 1 - $0)) }.sorted()
    return Certificate(
      ballot: ballot, signers: Signers(ids, of: committee.size),
      signatures: ids.map { vote(ballot, by: $0).signature })
  }

  // MARK: What happens

  mutating func receive(_ ballot: Ballot, by id: ReplicaID) {
    simplex.receive(vote(ballot, by: id), from: id)
    gather()
  }

  mutating func learn(_ ballot: Ballot) {
    simplex.receive(certificate(ballot), from: other)
    gather()
  }

  /// A proposal with its (empty) bodies.
  mutating func receive(_ header: Header) {
    let leader = committee.leader(of: header.view)
    _ = simplex.receive(
      proposal: header, header.digest, vote: vote(notarize(header), by: leader), from: leader)
    simplex.complete(Block(header: header, calls: []), header.digest, bodies: [])
    gather()
  }

  /// A notarization and then its (empty) block.
  mutating func hold(_ header: Header) {
    learn(notarize(header))
    simplex.complete(Block(header: header, calls: []), header.digest, bodies: [])
    gather()
  }

  mutating func ring(_ alarm: ViewAlarm, _ view: View) {
    simplex.ring(alarm, view)
    gather()
  }

  var other: ReplicaID { me == 0 ? 1 : 0 }

  // MARK: What it did

  var cast: [Ballot] {
    acts.compactMap { if case .voted(let vote) = $0 { vote.ballot } else { nil } }
  }

  func hasCast(_ kind: Ballot.Kind, in view: View) -> Bool {
    cast.contains { $0.kind == kind && $0.view == view }
  }

  var finalized: [Digest] {
    acts.compactMap { if case .finalized(_, let digest) = $0 { digest } else { nil } }
  }

  var accused: [ReplicaID] {
    acts.compactMap { if case .accused(let evidence) = $0 { evidence.culprit } else { nil } }
  }

  func reached(_ mark: Mark) -> Bool {
    acts.contains { if case .reached(mark) = $0 { true } else { false } }
  }
}
