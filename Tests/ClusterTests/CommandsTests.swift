import Certification
import Foundation
import GatewayFixture
import NodeShell
import Signing
import Testing
import Wire

@testable import QuorateClient

@Suite(.serialized, .enabled(if: Program.url != nil, "the program was not built"))
struct `The command line` {
  private static let bank = Program.home.appending(path: "deploy/pipelines/bank-reconciliation")
    .path
  private static let name = "bank_reconciliation"

  @Test(.timeLimit(.minutes(2)))
  func `that writes into a pipe which nobody reads ends without a trap`() throws {
    let user = try NewUser()
    let ended = try user.run(
      "(sleep 1; quorate simulate list bugs || echo \"status $?\" >&2) | (exec <&-; sleep 3)")
    #expect(ended.errors == "status 1\n", "\(ended)")
  }

  @Test(.timeLimit(.minutes(4)))
  func `grants and revokes roles, shows who holds them, and reports what was burned`() async throws
  {
    let cluster = try ProcessCluster(size: 4)
    try cluster.startAll()
    _ = try await cluster.transfer("ready")
    let dear = try cluster.quorate("pipeline", "deploy", Self.bank, "--cycles", "9000000T")
    #expect(dear.status == 1 && dear.errors.contains("Nothing was sent"), "\(dear)")
    let poor = try cluster.quorate("identity", "new", "poor")
    #expect(poor.status == 0)
    let planned = try cluster.quorate("pipeline", "plan", Self.bank, "--as", "poor")
    #expect(planned.status == 1 && planned.errors.contains("INSUFFICIENT_CYCLES"), "\(planned)")
    let deployed = try cluster.quorate("pipeline", "deploy", Self.bank, "--cycles", "20T")
    try #require(deployed.status == 0, "\(deployed)")
    #expect(deployed.output.contains("its account holds 20.00 T cycles"), "\(deployed)")
    try await repeats(cluster)
    try corrects(cluster)
    let alice = try cluster.quorate("identity", "new", "alice")
    #expect(alice.status == 0)
    try grants(cluster)
    try refuses(cluster)
    let again = try cluster.quorate(
      "pipeline", "revoke", Self.name, "operations", "alice", "--key", "r1")
    #expect(again.status == 0, "\(again)")
    let shown = try cluster.quorate("pipeline", "show", Self.name)
    #expect(shown.status == 0)
    #expect(!shown.output.contains("alice"))
    try reports(cluster)
  }

  /// The package that runs already: nothing is sent, and nobody pays.
  private func repeats(_ cluster: ProcessCluster) async throws {
    for member in cluster.network.members {
      try await eventually("\(member.id) having the top-up") {
        let ask = HTTPAsk(
          method: .GET, target: "/v1/catalog", headers: [("Accept", MediaType.canonical)])
        let reply = try await cluster.client.exchange(ask, with: member.id)
        return try cluster.client.value(Catalog.self, of: reply).pipelines.contains {
          $0.name == Self.name && $0.balance > 10_000_000_000_000
        }
      }
    }
    let before = try await cluster.client.balance(of: cluster.operatorKey.publicKey)
    for trust in ["replica", "quorum"] {
      let plan = try cluster.quorate("pipeline", "plan", Self.bank, "--trust", trust)
      #expect(plan.status == 0 && plan.output.hasPrefix("Nothing changes: "), "\(plan)")
    }
    let again = try cluster.quorate("pipeline", "deploy", Self.bank)
    #expect(again.status == 0 && again.output.hasPrefix("Nothing changes: "), "\(again)")
    let json = try cluster.quorate("pipeline", "deploy", Self.bank, "--json")
    let tight = json.output.filter { !$0.isWhitespace }
    #expect(json.status == 0 && tight.contains("\"status\":\"unchanged\""), "\(json)")
    #expect(try await cluster.client.balance(of: cluster.operatorKey.publicKey) == before)
  }

  /// A file with a mistake, in batches: what is unchanged is not sent again.
  private func corrects(_ cluster: ProcessCluster) throws {
    let source = "financial_institutions"
    let file = cluster.folder.appending(path: "institutions.csv")
    let feed = try cluster.quorate("feed", cluster.folder.path, "--rows", "30", "--seed", "1")
    try #require(feed.status == 0, "\(feed)")
    let whole = try String(
      contentsOf: cluster.folder.appending(path: "\(source).csv"), encoding: .utf8)
    let lines = whole.split(separator: "\n").map(String.init)
    func ingest(_ text: String, _ more: String...) throws -> Program.Ended {
      try Data(text.utf8).write(to: file)
      return try cluster.quorate(
        "ingest", Self.name, source, file.path, "--batch", "1", "--in-flight", "1", more: more)
    }
    let empty = try ingest("x,y\n")
    #expect(empty.status == 1 && empty.errors.contains("holds no rows"), "\(empty)")
    let broken = try ingest(lines[0...1].joined(separator: "\n") + "\nwrong\n")
    #expect(broken.status == 1 && broken.errors.contains("line 3, row 2"), "\(broken)")
    let key = try #require(broken.errors.firstMatch(of: #/--key (\S+) --resume/#)).1
    let mended = try ingest(
      lines[0...2].joined(separator: "\n") + "\n", "--key", "\(key)", "--resume")
    #expect(mended.status == 0 && mended.output.contains("1 row in 1 batch"), "\(mended)")
    #expect(mended.output.contains("1 batch skipped"), "\(mended)")
    let held = try cluster.quorate(
      "pipeline", "quarantine", "release", Self.name, source, "--batch", "nope")
    #expect(held.status == 1 && held.errors.contains("no row of batch nope"), "\(held)")
  }

  private func grants(_ cluster: ProcessCluster) throws {
    for attempt in 0..<2 {
      let granted = try cluster.quorate(
        "pipeline", "grant", Self.name, "operations", "alice", "--key", "g1")
      #expect(granted.status == 0, "\(granted)")
      #expect(granted.output.contains("signatures verified"))
      #expect(granted.output.contains("the original receipt") == (attempt == 1))
    }
    let shown = try cluster.quorate("pipeline", "show", Self.name)
    #expect(shown.output.contains("operations  alice"), "\(shown)")
  }

  private func refuses(_ cluster: ProcessCluster) throws {
    let cases: [(arguments: [String], says: String)] = [
      ([Self.name, "operation", "alice"], "did you mean operations?"),
      ([Self.name, "operations", "bob"], "There is no identity 'bob'"),
      ([Self.name, "operations", String(repeating: "AB", count: 32)], "is no public key"),
      ([Self.name, "operations", "alice", "--as", "alice"], "only the owner"),
      (["nothing", "operations", "alice"], "there is no pipeline nothing"),
    ]
    for (arguments, says) in cases {
      let ended = try cluster.quorate(
        "pipeline", "grant", arguments[0], arguments[1], arguments[2],
        more: Array(arguments.dropFirst(3)))
      #expect(ended.status == 1, "\(ended)")
      #expect(ended.errors.contains(says), "\(ended)")
    }
  }

  private func reports(_ cluster: ProcessCluster) throws {
    let report = try cluster.quorate("cycles", "report", Self.name)
    #expect(report.status == 0, "\(report)")
    for part in ["running", "roles", "freezes   below", "for the public"] {
      #expect(report.output.contains(part), "\(report)")
    }
    let status = try cluster.quorate("cluster", "status")
    let port = cluster.network.members[0].httpPort
    #expect(status.output.contains("Metrics of r0: https://127.0.0.1:\(port)/metrics"), "\(status)")
    let json = try cluster.quorate("cycles", "report", Self.name, "--json")
    #expect(json.output.contains("\"burns\""))
  }
}
