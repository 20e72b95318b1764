import Certification
import Signing
import Testing
import Wire

private func build(_ dice: inout Dice, rows: Int) -> (StateTrie, Model) {
  let trie = StateTrie()
  var model = Model()
  for _ in 0..<3 {
    let changes = randomChanges(&dice, count: rows)
    trie.apply(changes)
    for change in changes { model.apply(change) }
  }
  trie.seal(1)
  return (trie, model)
}

private func rows(_ proven: ProvenRange) -> [ProofRow] {
  zip(proven.keys, proven.rows).map { ProofRow(key: $0, row: $1) }
}

private func flaw(
  _ proof: TrieProof, _ rows: [ProofRow], _ range: KeyRange, _ coverage: Coverage, _ root: Digest
) -> ProofFlaw? {
  do throws(ProofFlaw) {
    try proof.check(rows, of: range, coverage: coverage, under: root)
    return nil
  } catch {
    return error
  }
}

private func randomRange(_ dice: inout Dice, _ model: Model) -> KeyRange {
  func bound() -> [UInt8] {
    let key =
      dice.roll(2) == 0 || model.rows.isEmpty
      ? dice.key() : model.rows[dice.roll(model.rows.count)].key
    return Array(key.prefix(dice.roll(3) == 0 ? dice.roll(key.count + 1) : key.count))
  }
  switch dice.roll(4) {
  case 0: return KeyRange(prefix: bound())
  case 1: return KeyRange(lower: bound(), upper: nil)
  case 2: return KeyRange(key: bound())
  default: return KeyRange(lower: bound(), upper: bound())
  }
}

@Suite struct `A trie proof` {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func `shows exactly the rows of a range`(seed: UInt64) {
    var dice = Dice(seed)
    let (trie, model) = build(&dice, rows: 1 + dice.roll(40))
    for _ in 0..<60 {
      let range = randomRange(&dice, model)
      let expected = model.within(range)
      guard let proven = trie.prove(range, limit: 1_000, at: 1) else {
        Issue.record("height 1 is readable")
        return
      }
      #expect(proven.keys == expected.map(\.key))
      #expect(proven.rows == expected.map(\.row))
      #expect(proven.complete)
      #expect(flaw(proven.proof, rows(proven), range, .whole, trie.root) == nil)
    }
  }

  @Test(arguments: 100..<110 as Range<UInt64>)
  func `shows the first rows when a limit cuts`(seed: UInt64) {
    var dice = Dice(seed)
    let (trie, model) = build(&dice, rows: 30)
    for _ in 0..<40 {
      let range = randomRange(&dice, model)
      let limit = 1 + dice.roll(6)
      let expected = model.within(range)
      guard let proven = trie.prove(range, limit: limit, at: 1) else { continue }
      #expect(proven.keys == expected.prefix(limit).map(\.key))
      #expect(proven.complete == (expected.count <= limit))
      let coverage = proven.complete ? Coverage.whole : .throughLast
      #expect(flaw(proven.proof, rows(proven), range, coverage, trie.root) == nil)
      if !proven.complete {
        #expect(flaw(proven.proof, rows(proven), range, .whole, trie.root) != nil)
      }
    }
  }

  @Test(arguments: 200..<208 as Range<UInt64>)
  func `cannot hide a row`(seed: UInt64) {
    var dice = Dice(seed)
    let (trie, model) = build(&dice, rows: 30)
    for _ in 0..<40 {
      let range = randomRange(&dice, model)
      let all = KeyRange(lower: [], upper: nil)
      guard let honest = trie.prove(range, limit: 1_000, at: 1), !honest.keys.isEmpty,
        let whole = trie.prove(all, limit: 1_000, at: 1)
      else { continue }
      #expect(flaw(honest.proof, rows(honest), range, .whole, trie.root) == nil)
      // Each way to leave one row out keeps the root right: by its hash, or as an edge.
      let victim = dice.roll(honest.keys.count)
      var kept = rows(honest)
      let gone = kept.remove(at: victim)
      let leaf = sha256([0x00] + gone.key + gone.row.bytes)
      for cover in [TrieProof.Node.aside(leaf), .edge(key: gone.key, row: gone.row)] {
        var nodes = honest.proof.nodes
        let place = nodes.indices.filter { nodes[$0] == .row }[victim]
        nodes[place] = cover
        #expect(flaw(TrieProof(nodes: nodes), kept, range, .whole, trie.root) != nil)
      }
      // An answer for another range is none for this one.
      let outside = rows(whole).filter { !range.contains($0.key) }
      if !outside.isEmpty {
        #expect(flaw(whole.proof, rows(whole), range, .whole, trie.root) == .outside)
      }
    }
  }

  @Test(arguments: 300..<308 as Range<UInt64>)
  func `is refused once anything in it is altered`(seed: UInt64) {
    var dice = Dice(seed)
    let (trie, model) = build(&dice, rows: 25)
    let range = randomRange(&dice, model)
    guard let honest = trie.prove(range, limit: 1_000, at: 1) else { return }
    let good = rows(honest)
    #expect(flaw(honest.proof, good, range, .whole, trie.root) == nil)
    #expect(flaw(honest.proof, good, range, .whole, sha256([1])) == .rootDiffers)
    for index in good.indices {
      var bad = good
      bad[index] = ProofRow(key: good[index].key, row: sha256([9]))
      #expect(flaw(honest.proof, bad, range, .whole, trie.root) == .rootDiffers)
      bad.remove(at: index)
      #expect(flaw(honest.proof, bad, range, .whole, trie.root) != nil)
      bad = good
      bad.insert(good[index], at: index)
      #expect(flaw(honest.proof, bad, range, .whole, trie.root) == .order)
    }
    for index in honest.proof.nodes.indices {
      var nodes = honest.proof.nodes
      nodes.remove(at: index)
      #expect(flaw(TrieProof(nodes: nodes), good, range, .whole, trie.root) != nil)
      nodes = honest.proof.nodes
      nodes.insert(nodes[index], at: index)
      #expect(flaw(TrieProof(nodes: nodes), good, range, .whole, trie.root) != nil)
      for other in [
        TrieProof.Node.row, .inner(bit: 3), .aside(sha256([7])), .edge(key: [1], row: .zero),
      ] where other != honest.proof.nodes[index] {
        nodes = honest.proof.nodes
        nodes[index] = other
        #expect(flaw(TrieProof(nodes: nodes), good, range, .whole, trie.root) != nil)
      }
    }
  }

  @Test(arguments: 400..<404 as Range<UInt64>)
  func `never traps on nonsense`(seed: UInt64) {
    var dice = Dice(seed)
    for _ in 0..<300 {
      let nodes = (0..<dice.roll(30)).map { _ -> TrieProof.Node in
        switch dice.roll(4) {
        case 0: .inner(bit: UInt32(truncatingIfNeeded: dice.next()))
        case 1: .aside(dice.digest())
        case 2: .row
        default: .edge(key: dice.key(), row: dice.digest())
        }
      }
      let rows = (0..<dice.roll(5)).map { _ in ProofRow(key: dice.key(), row: dice.digest()) }
      let range = KeyRange(lower: dice.key(), upper: dice.roll(2) == 0 ? nil : dice.key())
      for coverage in [Coverage.whole, .throughLast] {
        #expect(flaw(TrieProof(nodes: nodes), rows, range, coverage, .zero) != nil)
      }
    }
    let deep = TrieProof(
      nodes: (0..<100_000).map { .inner(bit: $0) } + (0...100_000).map { _ in .aside(.zero) })
    #expect(flaw(deep, [], KeyRange(lower: [], upper: nil), .whole, .zero) == .rootDiffers)
  }

  @Test func `of one row among many is small, and needs no neighbours`() {
    let trie = StateTrie()
    trie.apply(
      (0..<10_000).map { number -> TrieChange in
        var encoder = KeyEncoder(table: 1)
        encoder.int(Int64(number * 7_919 % 10_007))
        return TrieChange(key: encoder.bytes, row: sha256([UInt8(number % 251)]))
      }.sorted { $0.key.lexicographicallyPrecedes($1.key) })
    trie.seal(1)
    var encoder = KeyEncoder(table: 1)
    encoder.int(77)
    guard let one = trie.prove(key: encoder.bytes, at: 1) else {
      Issue.record("height 1 is readable")
      return
    }
    #expect(one.keys == [encoder.bytes])
    let range = KeyRange(key: encoder.bytes)
    #expect(flaw(one.proof, rows(one), range, .whole, trie.root) == nil)
    let wider = KeyRange(prefix: Array(encoder.bytes.dropLast()))
    #expect(flaw(one.proof, rows(one), wider, .whole, trie.root) != nil)
    #expect(one.proof.canonicalBytes.count < 720)
    encoder = KeyEncoder(table: 1)
    encoder.int(1_000_000)
    let none = trie.prove(key: encoder.bytes, at: 1)
    #expect(none?.keys == [])
    #expect(
      none.map {
        flaw($0.proof, [], KeyRange(key: encoder.bytes), .whole, trie.root)
      } == .some(nil))
  }
}

@Suite struct `Components` {
  private let parts = ["_system", "bank", "berka"].map {
    Component(name: $0, root: sha256(Array($0.utf8)))
  }

  @Test func `prove each root under the subnet's`() throws {
    let trie = ComponentTrie(parts)
    #expect(ComponentTrie(parts.reversed()).root == trie.root)
    for part in parts {
      try ComponentTrie.check(part, trie.proof(of: part.name), under: trie.root)
      let other = Component(name: part.name, root: .zero)
      #expect(throws: ProofFlaw.rootDiffers) {
        try ComponentTrie.check(other, trie.proof(of: part.name), under: trie.root)
      }
    }
  }
}
