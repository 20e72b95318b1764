import Certification
import Signing
import Testing
import Wire

@Suite struct `A state trie` {
  @Test(arguments: 0..<10 as Range<UInt64>)
  func `has the root that its definition gives, whatever its history`(seed: UInt64) {
    var dice = Dice(seed)
    let trie = StateTrie()
    var model = Model()
    #expect(trie.root == naiveRoot([]))
    for height in 1...40 {
      let changes = randomChanges(&dice, count: 1 + dice.roll(12))
      trie.apply(changes)
      for change in changes { model.apply(change) }
      #expect(trie.root == naiveRoot(model.rows))
      #expect(trie.seal(Height(UInt64(height))) == naiveRoot(model.rows))
    }
  }

  @Test(arguments: 100..<105 as Range<UInt64>)
  func `is the same when rebuilt in one scan and when built in pieces`(seed: UInt64) {
    var dice = Dice(seed)
    let (trie, pieces) = (StateTrie(), StateTrie())
    var model = Model()
    for _ in 0..<20 {
      let changes = randomChanges(&dice, count: 10)
      trie.apply(changes)
      for change in changes { model.apply(change) }
    }
    let rebuilt = StateTrie()
    rebuilt.apply(model.rows.map { TrieChange(key: $0.key, row: $0.row) })
    for row in model.rows { pieces.apply([TrieChange(key: row.key, row: row.row)]) }
    #expect(rebuilt.root == trie.root)
    #expect(pieces.root == trie.root)
  }

  @Test(arguments: 200..<206 as Range<UInt64>)
  func `keeps the last roots readable, and no others`(seed: UInt64) {
    var dice = Dice(seed)
    let trie = StateTrie(retaining: 8)
    var model = Model()
    var roots: [Digest] = []
    for height in 1...60 {
      for _ in 0..<dice.roll(4) {
        let changes = randomChanges(&dice, count: 1 + dice.roll(6))
        trie.apply(changes)
        for change in changes { model.apply(change) }
      }
      trie.seal(Height(UInt64(height)))
      roots.append(naiveRoot(model.rows))
      for back in 0..<height {
        let root = trie.root(at: Height(UInt64(height - back)))
        #expect(root == (back < 8 ? roots[height - back - 1] : nil))
      }
      #expect(trie.root(at: Height(UInt64(height + 1))) == nil)
    }
  }

  @Test(arguments: 300..<310 as Range<UInt64>)
  func `forgets what is undone`(seed: UInt64) {
    var dice = Dice(seed)
    let (trie, plain) = (StateTrie(retaining: 3), StateTrie(retaining: 3))
    var model = Model()
    for height in 1...40 {
      for _ in 0..<4 {
        let mark = trie.mark
        let changes = randomChanges(&dice, count: 1 + dice.roll(6))
        let hashes = trie.apply(changes)
        if dice.roll(2) == 0 {
          trie.undo(to: mark)
        } else {
          #expect(plain.apply(changes) == hashes)
          for change in changes { model.apply(change) }
        }
        #expect(trie.root == naiveRoot(model.rows))
      }
      #expect(trie.seal(Height(UInt64(height))) == plain.seal(Height(UInt64(height))))
    }
  }

  @Test func `uses its memory again`() {
    var dice = Dice(7)
    let trie = StateTrie(retaining: 4)
    var most = 0
    for height in 1...800 {
      trie.apply(randomChanges(&dice, count: 8))
      trie.seal(Height(UInt64(height)))
      if height == 200 { most = trie.nodeCount }
    }
    #expect(trie.nodeCount < most * 2)
  }

  @Test func `reads a height without changes as the one before`() {
    let trie = StateTrie(retaining: 3)
    #expect(trie.heights == nil)
    trie.apply([TrieChange(key: KeyEncoder(table: 1).bytes, row: .zero)])
    let root = trie.seal(5)
    #expect(trie.seal(6) == root)
    #expect(trie.seal(9) == root)
    #expect(trie.heights == 7...9)
    #expect(trie.root(at: 8) == root)
    #expect(trie.root(at: 6) == nil)
    #expect(trie.root(at: 10) == nil)
  }

  @Test func `proves older heights while newer ones are made`() async {
    let trie = StateTrie(retaining: 16)
    func row(_ number: Int, _ version: Int) -> TrieChange {
      var encoder = KeyEncoder(table: 1)
      encoder.int(Int64(number))
      return TrieChange(key: encoder.bytes, row: sha256([UInt8(version % 256)]))
    }
    trie.apply((0..<100).map { row($0, 0) })
    trie.seal(1)
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        for height in 2...300 {
          trie.apply([row(height % 100, height)])
          trie.seal(Height(UInt64(height)))
        }
        return true
      }
      for _ in 0..<3 {
        group.addTask {
          for _ in 0..<200 {
            let range = KeyRange(prefix: KeyEncoder(table: 1).bytes)
            guard let height = trie.heights?.upperBound, let root = trie.root(at: height),
              let proven = trie.prove(range, limit: 200, at: height)
            else { continue }
            let rows = zip(proven.keys, proven.rows).map { ProofRow(key: $0, row: $1) }
            guard rows.count == 100,
              (try? proven.proof.check(rows, of: range, coverage: .whole, under: root)) != nil
            else { return false }
          }
          return true
        }
      }
      for await isRight in group { #expect(isRight) }
    }
  }

  @Test func `reads keys of undone, replaced and removed rows at older heights`() {
    let trie = StateTrie(retaining: 4)
    let key = KeyRange(key: KeyEncoder(table: 9).bytes + [1])
    let row = { (number: UInt8) in sha256([number]) }
    trie.apply([TrieChange(key: key.lower, row: row(1))])
    trie.seal(1)
    trie.apply([TrieChange(key: key.lower, row: row(2))])
    trie.apply([TrieChange(key: key.lower, row: nil)])
    trie.apply([TrieChange(key: KeyEncoder(table: 7).bytes + [1], row: row(3))])
    trie.seal(2)
    #expect(trie.prove(key, limit: 5, at: 1)?.keys == [key.lower])
    #expect(trie.prove(key, limit: 5, at: 1)?.rows == [row(1)])
    #expect(trie.prove(key, limit: 5, at: 2)?.keys == [])
  }

  @Test func `bears a trie of thousands of forks one below the other`() {
    // A number of zero bits and a one, a different number each: each forks below the last.
    let length = AnswerLimits.keyBytesMax
    var changes: [TrieChange] = []
    for index in stride(from: length * 8 - 1, through: 0, by: -4) {
      var key = [UInt8](repeating: 0, count: length)
      key[index / 8] = 0x80 >> UInt8(index % 8)
      changes.append(TrieChange(key: key, row: sha256(key)))
    }
    let trie = StateTrie()
    trie.apply(changes)
    trie.seal(1)
    let deepest = KeyRange(key: changes[0].key)
    let proven = trie.prove(deepest, limit: 1, at: 1)
    #expect(proven?.keys == [deepest.lower])
    let again = StateTrie()
    for start in stride(from: 0, to: changes.count, by: 1_024) {
      again.apply(changes[start..<min(start + 1_024, changes.count)])
    }
    #expect(again.root == trie.root)
  }

  @Test func `counts its hashes by structure alone`() {
    let trie = StateTrie()
    let rows = (0..<1_000).map { number -> TrieChange in
      var encoder = KeyEncoder(table: 1)
      encoder.int(Int64(number))
      return TrieChange(key: encoder.bytes, row: sha256([UInt8(number % 251)]))
    }
    // Each row is a leaf and all but one a fork.
    #expect(trie.apply(rows) == 1_999)
    #expect(trie.apply(rows) == 0)
    let one = trie.apply([TrieChange(key: rows[500].key, row: sha256([255]))])
    #expect(one > 8 && one < 14)
  }
}

@Suite struct `Keys` {
  @Test func `sort as their values do`() {
    let numbers: [Int64] = [.min, -1_000, -1, 0, 1, 255, 256, .max]
    let keys = numbers.map { number -> [UInt8] in
      var encoder = KeyEncoder(table: 3)
      encoder.int(number)
      return encoder.bytes
    }
    #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
    let texts = ["", "\0", "\0\0", "\0a", "\u{1}", "a", "a\0", "a\0b", "aa", "b", "é"]
    let textKeys = texts.map { text -> [UInt8] in
      var encoder = KeyEncoder(table: 3)
      encoder.text(text)
      encoder.int(7)
      return encoder.bytes
    }
    #expect(zip(textKeys, textKeys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
    for (index, key) in textKeys.enumerated() {
      for other in textKeys[(index + 1)...] { #expect(!other.starts(with: key)) }
    }
  }

  @Test func `have one golden form`() {
    var encoder = KeyEncoder(table: 0x0102_0304)
    encoder.int(-1)
    encoder.text("a\0b")
    encoder.blob([0xff])
    #expect(encoder.bytes.hex == "01020304" + "7fffffffffffffff" + "6100ff620000" + "ff0000")
  }

  @Test func `end a prefix where the next one begins`() {
    #expect(KeyRange(prefix: [1, 2]).upper == [1, 3])
    #expect(KeyRange(prefix: [1, 0xff]).upper == [2])
    #expect(KeyRange(prefix: [0xff, 0xff]).upper == nil)
    #expect(KeyRange(prefix: []).upper == nil)
  }
}
