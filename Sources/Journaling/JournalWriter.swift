import Storage
import Wire

/// Writes records; each append is one transaction.
struct JournalWriter {
  let connection: Connection
  let enforcesOwnVotes: Bool

  func append(_ records: [Record]) throws(JournalFault) {
    try journaling(connection.path) { () throws(StorageFault) in
      let transaction = try WriteTransaction(connection)
      for record in records { try write(record) }
      try transaction.commit()
    }
  }

  private func write(_ record: Record) throws(StorageFault) {
    switch record {
    case .vote(let vote): try write(vote)
    case .certificate(let certificate):
      let key = [certificate.view.number, UInt64(certificate.kind.rawValue)]
      try insert(
        "INSERT OR IGNORE INTO certificates VALUES(?1, ?2, ?3, ?4)", .certificate, key,
        certificate.canonicalBytes)
    case .block(let digest, let block): try write(block, digest)
    case .finalized(let height, let digest): try finalize(height, digest)
    case .stateShare(let share): try write(share)
    case .stateCertificate(let certificate):
      try insert(
        "INSERT OR IGNORE INTO state_certificates VALUES(?1, ?2, ?3)", .stateCertificate,
        [certificate.height.number], certificate.canonicalBytes)
    case .evidence(let evidence):
      let body = evidence.canonicalBytes
      let statement = try connection.kept("INSERT OR IGNORE INTO evidence VALUES(?1, ?2)")
      try statement.bind(1, JournalTables.sum(.evidence, [], body))
      try statement.bind(2, blob: body)
      try statement.run()
    case .abstain(let view, let height):
      var encoder = Encoder()
      encoder.value(view)
      encoder.value(height)
      try single("abstain", .abstain, encoder.bytes)
      // The recovery from a lost log ends here: from now on this journal is whole.
      try connection.kept("INSERT OR IGNORE INTO marker VALUES(1)").run()
    case .quarantine(let share, let certificate):
      var encoder = Encoder()
      encoder.value(share)
      encoder.value(certificate)
      try single("quarantine", .quarantine, encoder.bytes)
      // What an earlier one came to says nothing of this one.
      try connection.kept("DELETE FROM singles WHERE name='rebuild'").run()
    case .rebuilt(let rebuild): try single("rebuild", .rebuild, rebuild.canonicalBytes)
    }
  }

  /// - Returns: false when there was such a key already.
  @discardableResult
  private func insert(
    _ sql: StaticString, _ kind: JournalKind, _ key: [UInt64], _ body: [UInt8]
  ) throws(StorageFault) -> Bool {
    let statement = try connection.kept(sql)
    for (index, part) in key.enumerated() {
      try statement.bind(index + 1, Int64(bitPattern: part))
    }
    try statement.bind(key.count + 1, blob: body)
    try statement.bind(key.count + 2, JournalTables.sum(kind, key, body))
    try statement.run()
    return connection.rowsChanged > 0
  }

  private func single(
    _ name: String, _ kind: JournalKind, _ body: [UInt8]
  ) throws(StorageFault) {
    let statement = try connection.kept("INSERT OR REPLACE INTO singles VALUES(?1, ?2, ?3)")
    try statement.bind(1, name)
    try statement.bind(2, blob: body)
    try statement.bind(3, JournalTables.sum(kind, [], body))
    try statement.run()
  }

  private func write(_ vote: Vote) throws(StorageFault) {
    let key = [vote.ballot.view.number, UInt64(vote.ballot.kind.rawValue)]
    let isNew = try insert(
      "INSERT OR IGNORE INTO votes VALUES(?1, ?2, ?3, ?4)", .vote, key, vote.canonicalBytes)
    guard !isNew, enforcesOwnVotes else { return }
    let before = try stored("SELECT body FROM votes WHERE view=?1 AND kind=?2", key)
    let ballot = before.flatMap { try? Vote(canonicalBytes: $0) }?.ballot
    precondition(
      ballot == vote.ballot, "a second \(vote.ballot.kind) in view \(vote.ballot.view)")
  }

  private func write(_ share: StateShare) throws(StorageFault) {
    let key = [share.statement.height.number]
    let isNew = try insert(
      "INSERT OR IGNORE INTO state_shares VALUES(?1, ?2, ?3)", .stateShare, key,
      share.canonicalBytes)
    guard !isNew, enforcesOwnVotes else { return }
    let before = try stored("SELECT body FROM state_shares WHERE height=?1", key)
    let statement = before.flatMap { try? StateShare(canonicalBytes: $0) }?.statement
    precondition(
      statement == share.statement, "a second state of height \(share.statement.height)")
  }

  private func write(_ block: Block, _ digest: Digest) throws(StorageFault) {
    let (name, body) = (digest.bytes, block.canonicalBytes)
    let statement = try connection.kept(
      "INSERT OR IGNORE INTO blocks(digest, height, body, sum) VALUES(?1, ?2, ?3, ?4)")
    try statement.bind(1, blob: name)
    try statement.bind(2, Int64(bitPattern: block.header.height.number))
    try statement.bind(3, blob: body)
    try statement.bind(4, JournalTables.sum(.block, [], name: name, body))
    try statement.run()
  }

  private func finalize(_ height: Height, _ digest: Digest) throws(StorageFault) {
    let isNew = try insert(
      "INSERT OR IGNORE INTO finalized VALUES(?1, ?2, ?3)", .finalized, [height.number],
      digest.canonicalBytes)
    if !isNew, enforcesOwnVotes {
      let before = try stored("SELECT body FROM finalized WHERE height=?1", [height.number])
      precondition(before == digest.canonicalBytes, "a second block finalized at \(height)")
    }
    if height.number % JournalLimits.trimEvery == 0 { try trim(digest) }
  }

  /// Drops own votes below the view of a finalized block: no vote is ever cast there again. And
  /// own state shares far below the highest state certificate.
  private func trim(_ digest: Digest) throws(StorageFault) {
    let read = try connection.kept("SELECT body FROM blocks WHERE digest=?1")
    try read.bind(1, blob: digest.bytes)
    let body = try read.step() ? read.bytes(0) : nil
    read.reset()
    guard let body, let block = try? Block(canonicalBytes: body) else { return }
    let votes = try connection.kept("DELETE FROM votes WHERE view<?1")
    try votes.bind(1, Int64(bitPattern: block.header.view.number))
    try votes.run()
    let shares = try connection.kept(
      "DELETE FROM state_shares WHERE height<(SELECT max(height) FROM state_certificates)-?1")
    try shares.bind(1, Int64(JournalLimits.sharesRetained))
    try shares.run()
  }

  private func stored(_ sql: StaticString, _ key: [UInt64]) throws(StorageFault) -> [UInt8]? {
    let statement = try connection.kept(sql)
    defer { statement.reset() }
    for (index, part) in key.enumerated() {
      try statement.bind(index + 1, Int64(bitPattern: part))
    }
    return try statement.step() ? statement.bytes(0) : nil
  }
}
