import Signing
import Storage
import Wire

/// Reads of one connection, each record checked against its checksum.
struct JournalTables {
  let connection: Connection
  var path: String { connection.path }

  /// What a record is stored with: the first eight bytes of SHA-256 over its kind, key and body.
  /// - Parameter name: a key of bytes, as blocks have.
  static func sum(
    _ kind: JournalKind, _ key: [UInt64], name: [UInt8] = [], _ body: [UInt8]
  ) -> Int64 {
    var encoder = Encoder(capacity: 1 + key.count * 8 + name.count + body.count)
    encoder.byte(kind.rawValue)
    for part in key { encoder.integer(part) }
    encoder.raw(name)
    encoder.raw(body)
    return encoder.bytes.withUnsafeBytes { bytes in
      let digest = sha256(bytes)
      return withScratch(32) { base in
        digest.store(to: base)
        return Int64(bigEndian: base.load(as: Int64.self))
      }
    }
  }

  func damaged(_ what: String) -> JournalFault { .damaged(path: path, what: what) }

  /// Decodes a record after its checksum held.
  func record<T: Canonical>(
    _ kind: JournalKind, _ key: [UInt64], _ body: [UInt8], _ sum: Int64
  ) throws(JournalFault) -> T {
    guard Self.sum(kind, key, body) == sum else {
      throw damaged("the checksum of \(kind) \(key) does not hold")
    }
    do throws(Malformed) {
      return try T(canonicalBytes: body)
    } catch {
      throw damaged("\(kind) \(key): \(error)")
    }
  }

  struct Row {
    let key: [UInt64]
    let body: [UInt8]
    let sum: Int64
  }

  /// Runs a SELECT of key columns, then body, then sum.
  func rows(
    _ sql: String, keys: Int, _ values: [UInt64] = []
  ) throws(JournalFault) -> [Row] {
    try journaling(path) { () throws(StorageFault) in
      let statement = try connection.cached(sql)
      defer { statement.reset() }
      for (index, value) in values.enumerated() {
        try statement.bind(index + 1, Int64(bitPattern: value))
      }
      var rows: [Row] = []
      while try statement.step() {
        rows.append(
          Row(
            key: (0..<keys).map { UInt64(bitPattern: statement.integer($0)) },
            body: statement.bytes(keys), sum: statement.integer(keys + 1)))
      }
      return rows
    }
  }

  func records<T: Canonical>(
    _ kind: JournalKind, _ sql: String, keys: Int, _ values: [UInt64] = []
  ) throws(JournalFault) -> [T] {
    var found: [T] = []
    for row in try rows(sql, keys: keys, values) {
      found.append(try record(kind, row.key, row.body, row.sum))
    }
    return found
  }

  // MARK: Blocks

  /// The condition's parameter is bound to the digest or to the number.
  private func blocks(
    _ condition: String, digest: Digest? = nil, number: Int64? = nil
  ) throws(JournalFault) -> [(digest: Digest, block: Block)] {
    let stored = try journaling(path) { () throws(StorageFault) in
      let statement = try connection.cached(
        "SELECT digest, body, sum FROM blocks WHERE \(condition) ORDER BY height, id")
      defer { statement.reset() }
      if let digest { try statement.bind(1, blob: digest.bytes) }
      if let number { try statement.bind(1, number) }
      var rows: [(digest: [UInt8], body: [UInt8], sum: Int64)] = []
      while try statement.step() {
        rows.append((statement.bytes(0), statement.bytes(1), statement.integer(2)))
      }
      return rows
    }
    var found: [(digest: Digest, block: Block)] = []
    for row in stored {
      guard let digest = Digest(row.digest) else { throw damaged("a block's digest is cut") }
      let block: Block = try record(.block, name: row.digest, row.body, row.sum)
      guard block.header.digest == digest else {
        throw damaged("the block \(digest) hashes to \(block.header.digest)")
      }
      found.append((digest, block))
    }
    return found
  }

  private func record<T: Canonical>(
    _ kind: JournalKind, name: [UInt8], _ body: [UInt8], _ sum: Int64
  ) throws(JournalFault) -> T {
    guard Self.sum(kind, [], name: name, body) == sum else {
      throw damaged("the checksum of a \(kind) does not hold")
    }
    do throws(Malformed) {
      return try T(canonicalBytes: body)
    } catch {
      throw damaged("a \(kind): \(error)")
    }
  }

  func block(_ digest: Digest) throws(JournalFault) -> Block? {
    try blocks("digest=?1", digest: digest).first?.block
  }

  /// Where blocks above a height are, the last one of the highest height first.
  private func places(
    above height: Height
  ) throws(JournalFault) -> [(id: Int64, height: Height)] {
    try journaling(path) { () throws(StorageFault) in
      let statement = try connection.cached(
        "SELECT id, height FROM blocks WHERE height>?1 ORDER BY height DESC, id DESC")
      defer { statement.reset() }
      try statement.bind(1, Int64(bitPattern: height.number))
      var places: [(id: Int64, height: Height)] = []
      while try statement.step() {
        places.append(
          (statement.integer(0), Height(UInt64(bitPattern: statement.integer(1)))))
      }
      return places
    }
  }

  /// Blocks above a height on which a vote can hang, ascending: those of views from `floor` on,
  /// none of which lies below the block of that view, and a few that it has passed by. What else
  /// lies above a gap comes by ranges, and is not read.
  func blocks(above height: Height, floor: View) throws(JournalFault) -> [Block] {
    let most = JournalLimits.passedRestoredMax
    var found: [Block] = []
    var passed: UInt64 = 0
    var lowest: Height?
    for place in try places(above: height) {
      if let lowest, lowest.above(place.height) > most { break }
      guard let block = try blocks("id=?1", number: place.id).first?.block else { continue }
      guard block.header.height == place.height else {
        throw damaged("the block \(block.header.digest) is not of height \(place.height)")
      }
      if block.header.view >= floor {
        lowest = place.height
      } else {
        passed += 1
        lowest = lowest ?? place.height
      }
      if block.header.view >= floor || passed <= most { found.append(block) }
    }
    return found.reversed()
  }

  func finalized(at height: Height) throws(JournalFault) -> Digest? {
    let found: [Digest] = try records(
      .finalized, "SELECT height, body, sum FROM finalized WHERE height=?1", keys: 1,
      [height.number])
    return found.first
  }

  func finalizedHighest() throws(JournalFault) -> Height {
    let highest = try journaling(path) { () throws(StorageFault) in
      try connection.integer("SELECT max(height) FROM finalized")
    }
    return Height(UInt64(bitPattern: highest ?? 0))
  }

  func block(at height: Height) throws(JournalFault) -> Block? {
    guard let digest = try finalized(at: height) else { return nil }
    guard let block = try block(digest) else {
      throw damaged("the block \(digest) of height \(height) is not there")
    }
    guard block.header.height == height else {
      throw damaged("the block \(digest) is not of height \(height)")
    }
    return block
  }

  /// That of the highest view, be its block here or not.
  func finalizationHighest() throws(JournalFault) -> Certificate? {
    let found: [Certificate] = try records(
      .certificate,
      "SELECT view, kind, body, sum FROM certificates WHERE kind=2 ORDER BY view DESC LIMIT 1",
      keys: 2)
    return found.first
  }

  func finalization(of view: View) throws(JournalFault) -> Certificate? {
    let found: [Certificate] = try records(
      .certificate,
      "SELECT view, kind, body, sum FROM certificates WHERE view=?1 AND kind=2", keys: 2,
      [view.number])
    return found.first
  }

  /// Finalized blocks from a height on, at most `count`, or as many more as it takes to reach one
  /// with a finalization; with the finalizations held of them.
  func blocks(
    from first: Height, count: Int
  ) throws(JournalFault) -> ([Block], [Certificate]) {
    var blocks: [Block] = []
    var finalizations: [Certificate] = []
    var weight = 0
    var height = first
    while blocks.count < Limits.blocksPerRangeMax, weight < Limits.answerWeightMax {
      if blocks.count >= count, !finalizations.isEmpty { break }
      guard let block = try block(at: height) else { break }
      let more = block.weight
      if !blocks.isEmpty, weight + more > Limits.answerWeightMax { break }
      weight += more
      blocks.append(block)
      if let certificate = try finalization(of: block.header.view) {
        finalizations.append(certificate)
      }
      height = height.next
    }
    return (blocks, finalizations)
  }

  func stateCertificate(at height: Height) throws(JournalFault) -> StateCertificate? {
    let found: [StateCertificate] = try records(
      .stateCertificate,
      "SELECT height, body, sum FROM state_certificates WHERE height=?1", keys: 1,
      [height.number])
    return found.first
  }
}
