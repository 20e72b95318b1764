import CSQLite
import Testing

@testable import Simulator

/// The least of SQLite that these tests need: a connection on a simulated disk.
final class RawConnection {
  private var connection: OpaquePointer?

  init?(_ path: String, on disk: SimulatedDisk, synchronous: String = "full") {
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    guard sqlite3_open_v2(path, &connection, flags, disk.name) == SQLITE_OK,
      run("pragma journal_mode = wal"), run("pragma synchronous = \(synchronous)")
    else { return nil }
  }

  deinit { sqlite3_close_v2(connection) }

  func run(_ sql: String) -> Bool {
    sqlite3_exec(connection, sql, nil, nil, nil) == SQLITE_OK
  }

  /// The first column of the first row.
  func text(_ sql: String) -> String? {
    var statement: OpaquePointer?
    defer { sqlite3_finalize(statement) }
    guard sqlite3_prepare_v2(connection, sql, -1, &statement, nil) == SQLITE_OK,
      sqlite3_step(statement) == SQLITE_ROW, let text = sqlite3_column_text(statement, 0)
    else { return nil }
    return String(cString: text)
  }
}

@Suite struct `A simulated disk` {
  /// Commits rows 1, 2, 3 … until the power goes.
  /// - Returns: how many commits SQLite reported as done.
  private func commitUntilPowerLoss(
    on disk: SimulatedDisk, from first: Int, operations: Int, synchronous: String
  ) -> Int {
    let machine = disk.machine("r0")
    guard let connection = RawConnection("r0/a.sqlite", on: disk, synchronous: synchronous) else {
      return first - 1
    }
    guard connection.run("create table if not exists t(k integer primary key, v blob)") else {
      return first - 1
    }
    machine.operationsUntilPowerLoss = operations
    var row = first
    while connection.run("insert into t values(\(row), randomblob(700))") { row += 1 }
    return row - 1
  }

  private func reopened(_ disk: SimulatedDisk) -> (count: Int, integrity: String)? {
    guard let connection = RawConnection("r0/a.sqlite", on: disk),
      let integrity = connection.text("pragma integrity_check")
    else { return nil }
    return (Int(connection.text("select count(*) from t") ?? "0") ?? 0, integrity)
  }

  @Test(arguments: [PowerLoss.nothing, .unsynced, .tornTail, .scattered])
  func `keeps every commit that SQLite synced, whatever a power loss takes`(loss: PowerLoss) {
    for seed in UInt64(0)..<40 {
      let disk = SimulatedDisk(seed: seed)
      defer { withExtendedLifetime(disk) {} }
      let machine = disk.machine("r0")
      var chance = RandomStream(seed: seed, label: "test")
      var acknowledged = 0
      for _ in 0..<6 {
        acknowledged = commitUntilPowerLoss(
          on: disk, from: acknowledged + 1, operations: 5 + chance.below(60), synchronous: "full")
        machine.crash(loss)
        machine.powerOn()
        guard let found = reopened(disk) else {
          Issue.record("seed \(seed): the file does not open after a power loss")
          return
        }
        #expect(found.integrity == "ok", "seed \(seed)")
        #expect(found.count == acknowledged || found.count == acknowledged + 1, "seed \(seed)")
        acknowledged = found.count
      }
    }
  }

  @Test func `loses commits that nobody synced`() {
    var lost = 0
    for seed in UInt64(0)..<10 {
      let disk = SimulatedDisk(seed: seed)
      defer { withExtendedLifetime(disk) {} }
      let done = commitUntilPowerLoss(on: disk, from: 1, operations: 50, synchronous: "off")
      disk.machine("r0").crash(.unsynced)
      disk.machine("r0").powerOn()
      lost += done - (reopened(disk)?.count ?? 0)
    }
    #expect(lost > 0)
  }

  @Test func `keeps unsynced commits when only the process dies`() {
    let disk = SimulatedDisk(seed: 1)
    defer { withExtendedLifetime(disk) {} }
    let done = commitUntilPowerLoss(on: disk, from: 1, operations: 50, synchronous: "off")
    disk.machine("r0").crash(.nothing)
    disk.machine("r0").powerOn()
    #expect(done > 0)
    #expect(reopened(disk)?.count ?? 0 >= done)
  }

  @Test func `loses at a power loss what a process that died before it had not synced`() {
    let disk = SimulatedDisk(seed: 1)
    defer { withExtendedLifetime(disk) {} }
    let done = commitUntilPowerLoss(on: disk, from: 1, operations: 50, synchronous: "off")
    disk.machine("r0").crash(.nothing)
    disk.machine("r0").crash(.unsynced)
    disk.machine("r0").powerOn()
    #expect(done > 0)
    #expect(reopened(disk)?.count ?? 0 < done)
  }

  @Test func `lets a reader of one process see the writer's commits and its own snapshot`() {
    let disk = SimulatedDisk(seed: 2)
    defer { withExtendedLifetime(disk) {} }
    let writer = RawConnection("r0/a.sqlite", on: disk)
    let reader = RawConnection("r0/a.sqlite", on: disk)
    #expect(writer?.run("create table t(k)") == true)
    #expect(writer?.run("insert into t values(1)") == true)
    #expect(reader?.run("begin") == true)
    #expect(reader?.text("select count(*) from t") == "1")
    #expect(writer?.run("insert into t values(2)") == true)
    #expect(reader?.text("select count(*) from t") == "1")
    #expect(reader?.run("commit") == true)
    #expect(reader?.text("select count(*) from t") == "2")
  }

  @Test func `refuses a second writer while one is at work`() {
    let disk = SimulatedDisk(seed: 3)
    defer { withExtendedLifetime(disk) {} }
    let first = RawConnection("r0/a.sqlite", on: disk)
    let second = RawConnection("r0/a.sqlite", on: disk)
    #expect(first?.run("create table t(k)") == true)
    #expect(first?.run("begin immediate") == true)
    #expect(second?.run("begin immediate") == false)
    #expect(first?.run("commit") == true)
    #expect(second?.run("begin immediate") == true)
  }

  @Test func `reports a full disk and goes on when there is room again`() {
    let disk = SimulatedDisk(seed: 4)
    defer { withExtendedLifetime(disk) {} }
    let connection = RawConnection("r0/a.sqlite", on: disk)
    #expect(connection?.run("create table t(k)") == true)
    disk.machine("r0").bytesMax = disk.machine("r0").bytes + 8_192
    #expect(connection?.run("insert into t values(randomblob(100000))") == false)
    disk.machine("r0").bytesMax = nil
    #expect(connection?.run("insert into t values(randomblob(100000))") == true)
  }

  @Test func `fails a commit when the sync fails`() {
    let disk = SimulatedDisk(seed: 5)
    defer { withExtendedLifetime(disk) {} }
    let connection = RawConnection("r0/a.sqlite", on: disk)
    #expect(connection?.run("create table t(k)") == true)
    disk.machine("r0").syncFails = true
    #expect(connection?.run("insert into t values(1)") == false)
  }

  @Test func `keeps a dead process from writing after its crash`() {
    let disk = SimulatedDisk(seed: 6)
    defer { withExtendedLifetime(disk) {} }
    let dying = RawConnection("r0/a.sqlite", on: disk)
    #expect(dying?.run("create table t(k)") == true)
    disk.machine("r0").crash(.nothing)
    disk.machine("r0").powerOn()
    #expect(dying?.run("insert into t values(1)") == false)
    let heir = RawConnection("r0/a.sqlite", on: disk)
    #expect(heir?.text("select count(*) from t") == "0")
  }
}

@Suite struct `A random stream` {
  @Test func `repeats itself for the same seed and label only`() {
    var first = RandomStream(seed: 7, label: "link r0 r1")
    var again = RandomStream(seed: 7, label: "link r0 r1")
    var other = RandomStream(seed: 7, label: "link r1 r0")
    let numbers = (0..<8).map { _ in first.next() }
    #expect(numbers == (0..<8).map { _ in again.next() })
    #expect(numbers != (0..<8).map { _ in other.next() })
  }

  @Test func `stays within its bounds`() {
    var stream = RandomStream(seed: 1, label: "bounds")
    #expect((0..<1_000).allSatisfy { _ in stream.below(7) < 7 })
    #expect((0..<1_000).allSatisfy { _ in (5...9).contains(stream.within(5...9)) })
  }
}
