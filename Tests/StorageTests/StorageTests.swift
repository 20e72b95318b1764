import CSQLite
import Foundation
import Storage
import Testing

/// A folder that is gone when the test ends.
final class Scratch {
  let path: String
  init() {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("storage-\(UUID().uuidString)").path
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  var file: String { path + "/a.sqlite" }
}

@Suite struct `A connection` {
  let scratch = Scratch()

  @Test func `gives back the values it was given`() throws {
    let connection = try Connection(path: scratch.file)
    try connection.execute("CREATE TABLE t(a INTEGER, b TEXT, c BLOB, d TEXT, e BLOB)")
    let insert = try connection.prepare("INSERT INTO t VALUES(?,?,?,?,?)")
    try insert.bind(1, Int64.min)
    try insert.bind(2, "naïve")
    try insert.bind(3, blob: [0, 1, 255])
    try insert.bind(4, "")
    try insert.bind(5, blob: [])
    try insert.run()
    let select = try connection.prepare("SELECT * FROM t")
    #expect(try select.step())
    #expect(select.integer(0) == Int64.min)
    #expect(select.text(1) == "naïve")
    #expect(select.bytes(2) == [0, 1, 255])
    #expect(select.type(3) == .text)
    #expect(select.text(3) == "")
    #expect(select.type(4) == .blob)
    #expect(try !select.step())
  }

  @Test func `refuses a second statement behind the first`() throws {
    let connection = try Connection(path: scratch.file)
    _ = try connection.prepare("SELECT 1 ")
    #expect(throws: StorageFault.self) { try connection.prepare("SELECT 1; SELECT 2") }
    #expect(throws: StorageFault.self) { try connection.prepare("  ") }
  }

  @Test func `says which fault is a statement's and which the machine's`() throws {
    let connection = try Connection(path: scratch.file)
    try connection.execute("CREATE TABLE t(a INTEGER PRIMARY KEY) STRICT")
    try connection.execute("INSERT INTO t VALUES(1)")
    let constraint = #expect(throws: StorageFault.self) {
      try connection.execute("INSERT INTO t VALUES(1)")
    }
    #expect(constraint?.kind == .statement)
    try connection.pragma("max_page_count", "2")
    let full = #expect(throws: StorageFault.self) {
      try connection.execute("CREATE TABLE u AS SELECT zeroblob(100000) AS b")
    }
    #expect(full?.kind == .environment)
    #expect(full?.isFull == true)
    // SQLITE_IOERR_SHMSIZE: the index of a log could not grow.
    #expect(StorageFault(code: 10, extendedCode: 4_874, message: "", doing: "").isFull)
    #expect(!StorageFault(code: 10, extendedCode: 10, message: "", doing: "").isFull)
    let missing = #expect(throws: StorageFault.self) {
      try Connection(path: scratch.path + "/none/b.sqlite")
    }
    #expect(missing?.kind == .environment)
  }

  @Test func `counts equal steps for equal work`() throws {
    let connection = try Connection(path: scratch.file)
    let statement = try connection.prepare(
      "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<100) SELECT x FROM c")
    try statement.run()
    let first = statement.takeSteps()
    try statement.run()
    #expect(first > 100)
    #expect(statement.takeSteps() == first)
  }

  @Test func `keeps a prepared statement for the next time`() throws {
    let connection = try Connection(path: scratch.file)
    let first = try connection.cached("SELECT ?")
    try first.bind(1, 7)
    #expect(try first.step())
    let second = try connection.cached("SELECT ?")
    #expect(first === second)
    #expect(try second.step())
    #expect(second.isNull(0))
  }

  /// é has two spellings, which Swift holds for equal.
  @Test func `keeps one for each spelling`() throws {
    let connection = try Connection(path: scratch.file)
    for text in ["\u{e9}", "e\u{301}"] {
      let statement = try connection.cached("SELECT '\(text)'")
      #expect(try statement.step())
      #expect(Array(statement.text(0).utf8) == Array(text.utf8))
      #expect(try connection.cached("SELECT '\(text)'") === statement)
    }
  }
}

@Suite struct `A transaction` {
  let scratch = Scratch()

  @Test func `rolls back when it is dropped`() throws {
    let connection = try Connection(path: scratch.file)
    try connection.execute("CREATE TABLE t(a)")
    do {
      let transaction = try WriteTransaction(connection)
      try connection.execute("INSERT INTO t VALUES(1)")
      _ = consume transaction
    }
    #expect(try connection.integer("SELECT count(*) FROM t") == 0)
    let transaction = try WriteTransaction(connection)
    try connection.execute("INSERT INTO t VALUES(1)")
    try transaction.commit()
    #expect(try connection.integer("SELECT count(*) FROM t") == 1)
  }

  @Test func `undoes a dropped savepoint and keeps what was before it`() throws {
    let connection = try Connection(path: scratch.file)
    try connection.execute("CREATE TABLE t(a)")
    let transaction = try WriteTransaction(connection)
    try connection.execute("INSERT INTO t VALUES(1)")
    do {
      let savepoint = try Savepoint(connection, name: "inner")
      try connection.execute("INSERT INTO t VALUES(2)")
      savepoint.undo()
    }
    let kept = try Savepoint(connection, name: "inner")
    try connection.execute("INSERT INTO t VALUES(3)")
    try kept.release()
    try transaction.commit()
    #expect(try connection.integer("SELECT sum(a) FROM t") == 4)
  }

  @Test func `moves the whole log into the file at a checkpoint`() throws {
    let connection = try Connection(path: scratch.file)
    try connection.pragma("journal_mode", "WAL")
    try connection.execute("CREATE TABLE t(a)")
    let before = try connection.checkpoint(.passive)
    #expect(before.pagesInLog > 0)
    #expect(before.isComplete)
    try connection.execute("INSERT INTO t VALUES(1)")
    #expect(try connection.checkpoint(.truncate).pagesInLog == 0)
  }

  @Test func `writes its log anew as it was, beside a reader too`() throws {
    let connection = try Connection(path: scratch.file)
    try connection.pragma("journal_mode", "WAL")
    try connection.execute("CREATE TABLE t(a)")
    let reader = try Connection(path: scratch.file, access: .readOnly)
    try reader.execute("BEGIN")
    #expect(try reader.integer("SELECT count(*) FROM t") == 0)
    try connection.execute("INSERT INTO t VALUES(randomblob(10001))")
    let log = URL(filePath: scratch.file + "-wal")
    let before = try Data(contentsOf: log)
    #expect(before.count > 10_001)
    try connection.rewriteLog()
    #expect(try Data(contentsOf: log) == before)
    try reader.execute("COMMIT")
    #expect(try reader.integer("SELECT count(*) FROM t") == 1)
  }

  @Test func `counts what its log has gained since it was last checkpointed`() throws {
    let connection = try Connection(path: scratch.file)
    try connection.pragma("journal_mode", "WAL")
    sqlite3_wal_hook(
      connection.handle, Connection.noteLog, Unmanaged.passUnretained(connection).toOpaque())
    defer { sqlite3_wal_hook(connection.handle, nil, nil) }
    try connection.execute("CREATE TABLE t(a)")
    #expect(connection.log.pages > 0)
    #expect(connection.log.added == connection.log.pages)
    let reader = try Connection(path: scratch.file, access: .readOnly)
    try reader.execute("BEGIN")
    _ = try reader.integer("SELECT count(*) FROM t")
    try connection.execute("INSERT INTO t VALUES(1)")
    #expect(try !connection.checkpoint(.passive).isComplete)
    let held = connection.log.pages
    #expect(connection.log.added == 0)
    try connection.execute("INSERT INTO t VALUES(2)")
    #expect(connection.log.pages == held + connection.log.added)
    #expect(connection.log.added > 0)
    try reader.execute("COMMIT")
    // It begins anew: what is there now was all added.
    #expect(try connection.checkpoint(.passive).isComplete)
    try connection.execute("INSERT INTO t VALUES(3)")
    #expect(connection.log.added == connection.log.pages)
    // Also when the first commit makes it longer than it was.
    let before = connection.log.pages
    #expect(try connection.checkpoint(.passive).isComplete)
    try connection.execute("INSERT INTO t VALUES(randomblob(100000))")
    #expect(connection.log.pages > before)
    #expect(connection.log.added == connection.log.pages)
  }
}
