import Certification
import Signing
import Testing
import Wire

@Suite struct `A folded trie` {
  @Test(arguments: 400..<420 as Range<UInt64>)
  func `has the root of the trie with the same rows`(seed: UInt64) {
    var dice = Dice(seed)
    let trie = StateTrie()
    var model = Model()
    for _ in 0..<20 {
      let changes = randomChanges(&dice, count: 1 + dice.roll(12))
      trie.apply(changes)
      for change in changes { model.apply(change) }
      var fold = TrieFold()
      for row in model.rows {
        let isTaken = fold.add(row.key, row.row)
        #expect(isTaken)
      }
      #expect(fold.root == trie.root)
      #expect(fold.root == naiveRoot(model.rows))
    }
  }

  @Test func `takes no key that is twice, out of order or begun by the last one`() {
    let row = sha256([1])
    for (first, second) in [
      ([1, 2], [1, 2]), ([1, 2], [1, 1]), ([1, 2], [1, 2, 0]), ([2], [1, 9]),
    ]
      as [([UInt8], [UInt8])]
    {
      var fold = TrieFold()
      let isFirstTaken = fold.add(first, row)
      let root = fold.root
      let isSecondTaken = fold.add(second, sha256([2]))
      #expect(isFirstTaken && !isSecondTaken, "\(first) \(second)")
      #expect(fold.root == root)
    }
  }
}

@Suite struct `The seal of a snapshot` {
  private let fixture: Fixture
  private let components: ComponentTrie
  private let roots: FileRoots
  private let certificate: StateCertificate

  init() throws {
    fixture = try Fixture(rows: 6)
    roots = FileRoots(data: sha256([0xda]), ledger: sha256([0x1e]))
    components = ComponentTrie(
      [
        Component(name: Component.system, root: sha256([1])),
        Component(name: "shop", root: sha256([2])),
      ] + roots.components(of: "bank"))
    certificate = Fixture.certified(
      StateStatement(
        subnet: fixture.committee.subnet, epoch: 0, height: 12, block: sha256([3]),
        stateRoot: components.root, receiptsRoot: sha256([4]), time: Fixture.time),
      fixture.signers, count: fixture.committee.quorum)
  }

  private func seal(
    pipeline: String = "bank", roots: FileRoots? = nil, ledgerProof: TrieProof? = nil,
    certificate: StateCertificate? = nil
  ) -> SnapshotSeal {
    SnapshotSeal(
      pipeline: pipeline, roots: roots ?? self.roots, dataProof: components.proof(of: "bank"),
      ledgerProof: ledgerProof ?? components.proof(of: "_ledger/bank"),
      certificate: certificate ?? self.certificate)
  }

  private func fault(_ seal: SnapshotSeal, by check: ClientCheck? = nil) -> CheckFault? {
    do throws(CheckFault) {
      try (check ?? fixture.check).check(seal)
      return nil
    } catch { return error }
  }

  @Test func `proves the roots of the pipeline that it names, and of no other`() {
    #expect(fault(seal()) == nil)
    #expect(fault(seal(pipeline: "shop"))?.check == .proof)
    let other = FileRoots(data: roots.data, ledger: sha256([9]))
    #expect(fault(seal(roots: other))?.check == .proof)
    #expect(
      fault(seal(roots: FileRoots(data: roots.ledger, ledger: roots.data)))?.check == .proof)
    #expect(fault(seal(ledgerProof: components.proof(of: "bank")))?.check == .proof)
  }

  @Test func `needs the signatures of a quorum of this subnet`() {
    let few = Fixture.certified(certificate.statement, fixture.signers, count: 2)
    #expect(fault(seal(certificate: few))?.check == .certificate)
    let strangers = Committee(
      subnet: sha256([9]), epoch: 0, keys: fixture.committee.members.map(\.key))
    #expect(fault(seal(), by: ClientCheck(committee: strangers))?.check == .certificate)
  }

  @Test func `travels with its rows in one form, and none of it is left out`() throws {
    let place = SnapshotPlace(roots: roots, table: "t", key: [.text("a"), .int(1)])
    let part = SnapshotPart(
      seal: seal(),
      tables: [.init(name: "t", rows: [.init(values: [.text("a"), .int(1), .null, .bytes([7])])])],
      next: place)
    let request = SnapshotRequest(
      subnet: sha256([5]), pipeline: "bank", place: place, caller: nil, expiry: 3)
    #expect(try SnapshotPart(canonicalBytes: part.canonicalBytes) == part)
    #expect(try SnapshotRequest(canonicalBytes: request.canonicalBytes) == request)
    for count in 0..<part.canonicalBytes.count {
      #expect(throws: Malformed.self) {
        try SnapshotPart(canonicalBytes: Array(part.canonicalBytes.prefix(count)))
      }
    }
    let bare = SnapshotRequest(subnet: sha256([5]), pipeline: "bank")
    #expect(
      bare.canonicalBytes
        == sha256([5]).bytes + [4] + Array("bank".utf8) + [0, 0] + [UInt8](repeating: 0, count: 8))
  }
}
