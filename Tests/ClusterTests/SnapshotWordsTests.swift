import Certification
import Foundation
import QuorateClient
import Signing
import Testing
import Wire

@testable import quorate

@Suite struct `What a pipeline's condition is told as` {
  private func shop(_ condition: PipelineReport.Condition) -> CatalogPipeline {
    CatalogPipeline(
      name: "shop", version: "1", about: "", owner: KeyPair.generate().publicKey, package: .zero,
      balance: 0, freezesBelow: 3_000_000_000_000, condition: condition, sources: [],
      procedures: [], queries: [], tables: [])
  }

  @Test func `names the command that ends it, and what goes on meanwhile`() throws {
    #expect(CyclesCommand.advice(shop(.running)) == nil)
    for condition in [PipelineReport.Condition.frozen, .archived] {
      let words = try #require(CyclesCommand.advice(shop(condition)))
      #expect(words.contains("shop is \(condition.label.uppercased())"))
      #expect(words.contains("queries and snapshots go on"))
      #expect(words.hasSuffix("quorate cycles top-up shop 6T"))
    }
  }

  @Test(arguments: [PipelineReport.Condition.running, .frozen, .archived])
  func `travels in the catalog as it is`(condition: PipelineReport.Condition) throws {
    let entry = shop(condition)
    #expect(try CatalogPipeline(canonicalBytes: entry.canonicalBytes).condition == condition)
  }
}

/// A disk that has as much room as a test says.
private final class Disk {
  var free: UInt64 = 1 << 40
}

@Suite struct `A snapshot on its way to its file` {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("snapshot-\(UUID().uuidString)")
  private let committee = Committee(
    subnet: .zero, epoch: 0, keys: (0..<4).map { _ in KeyPair.generate().publicKey })
  private let seal: SnapshotSeal

  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    seal = SnapshotSeal(
      pipeline: "shop", roots: FileRoots(data: .zero, ledger: .zero),
      dataProof: TrieProof(nodes: []), ledgerProof: TrieProof(nodes: []),
      certificate: StateCertificate(
        statement: StateStatement(
          subnet: .zero, epoch: 0, height: 1, block: .zero, stateRoot: .zero,
          receiptsRoot: .zero, time: 1), signers: Signers([], of: 4), signatures: []))
  }

  private func copy(to file: URL, on disk: Disk = Disk()) throws -> SnapshotCopy {
    var copy = SnapshotCopy(
      of: "shop", beside: file, check: ClientCheck(committee: committee),
      freeBytes: { _ in disk.free })
    try copy.begin(seal)
    return copy
  }

  @Test func `takes no file's place unless it is told to`() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("shop.sqlite")
    try Data("mine".utf8).write(to: file)
    var copy = try copy(to: file)
    #expect { try copy.move(to: file, force: false) } throws: { "\($0)".contains("--force") }
    #expect(try Data(contentsOf: file) == Data("mine".utf8))
    try copy.move(to: file, force: true)
    #expect(try Data(contentsOf: file) != Data("mine".utf8))
    copy.discard()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["shop.sqlite"])
    let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions]
    #expect((mode as? NSNumber)?.intValue == 0o600)
  }

  @Test func `leaves some of the disk free, whatever a replica gives`() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let disk = Disk()
    var copy = try copy(to: folder.appendingPathComponent("shop.sqlite"), on: disk)
    // Nothing vouches for bookkeeping before all of it is there.
    let entry = SnapshotPart.Row(values: [.int(1), .bytes([1]), .bytes([1])])
    let part = SnapshotPart(
      seal: nil, tables: [.init(name: "ledger_rows", rows: [entry])], next: nil)
    try copy.take(part)
    disk.free = ClientLimits.snapshotDiskFree - 1
    let short = #expect(throws: SnapshotTooLarge.self) { try copy.take(part) }
    #expect(short?.reason.contains("1 entry of bookkeeping") == true)
    copy.discard()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    // A disk that is full before anything came is nobody's fault.
    #expect { try copy.begin(seal) } throws: { "\($0)".contains("another disk") }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func `that is not believed leaves nothing behind`() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    var copy = try copy(to: folder.appendingPathComponent("shop.sqlite"))
    #expect(throws: CheckFault.self) { try copy.finish() }
    #expect(copy.checked == nil)
    copy.discard()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }
}
