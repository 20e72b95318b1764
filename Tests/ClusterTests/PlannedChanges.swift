import Foundation
import GatewayFixture
import Testing

/// A change of the bank reconciliation, and what a plan must say of it.
private struct BankChange: Sendable {
  struct Edit: Sendable {
    let file: String
    let old: String
    let new: String
  }

  let name: String
  var edits: [Edit] = []
  var removes: [String] = []
  var drops: [String] = []
  let says: [String]
  var refusal: String?

  var options: [String] { drops.flatMap { ["--drop", $0] } }

  func make(in folder: URL) throws {
    for edit in edits {
      let file = folder.appending(path: edit.file)
      let text = try String(contentsOf: file, encoding: .utf8)
      try #require(text.contains(edit.old), "\(edit.file) has no \(edit.old)")
      try text.replacing(edit.old, with: edit.new)
        .write(to: file, atomically: true, encoding: .utf8)
    }
    for path in removes { try FileManager.default.removeItem(at: folder.appending(path: path)) }
  }
}

private let source = "sources/financial_transactions.yaml"
private let gold = "models/gold/_gold.yaml"
private let streaks = "models/gold/mtr_late_streaks.sql"

/// Each is made on top of those before it.
private let changes: [BankChange] = [
  BankChange(
    name: "a new column",
    edits: [
      .init(
        file: source, old: "primary_key:", new: "  - { name: branch, type: text }\nprimary_key:")
    ],
    says: [
      "column financial_transactions.branch added: text",
      "model slv_transactions recomputed: reads financial_transactions",
      "model mtr_late_streaks recomputed: reads slv_transactions",
      "model mtr_rolling_30d_balance recomputed: reads slv_transactions",
      "model slv_matches recomputed: reads slv_transactions",
      "model fct_transaction_audit recomputed: reads slv_matches, slv_transactions",
      "model slv_match_exceptions recomputed: reads slv_matches, slv_transactions",
    ]),
  BankChange(
    name: "a changed model",
    edits: [.init(file: streaks, old: "count(*) >= 2", new: "count(*) >= 3")],
    says: ["model mtr_late_streaks changed: its SELECT"]),
  BankChange(
    name: "a model dropped silently",
    edits: [
      .init(
        file: gold,
        old: """
            - name: mtr_late_streaks
              kind: incremental
              primary_key: [customer_id, island]
              refresh: { by: [customer_id] }
              columns:
                - { name: customer_id,      type: text, pii: pseudonym }
                - { name: island,           type: int }
                - { name: from_date,        type: date }
                - { name: to_date,          type: date }
                - { name: consecutive_late, type: int }

          """, new: "")
    ], removes: [streaks],
    says: ["model mtr_late_streaks dropped breaking: its rows go; they can be computed again"],
    refusal: "DROP_REFUSED"),
  BankChange(
    name: "a dropped model", drops: ["mtr_late_streaks"],
    says: ["model mtr_late_streaks dropped breaking: its rows go; they can be computed again"]),
  BankChange(
    name: "a tightened expectation",
    edits: [
      .init(
        file: source, old: "expectations:",
        new:
          "expectations:\n  - { name: small, check: \"amount <= 50000\", on_violation: quarantine }"
      )
    ],
    says: [
      "expectation financial_transactions.small tightened breaking: "
        + "new: amount <= 50000, quarantine"
    ]),
  BankChange(
    name: "another primary key and refresh.by",
    edits: [
      .init(
        file: gold,
        old: """
              primary_key: [customer_id, currency, value_date]
              refresh: { by: [customer_id] }
          """,
        new: """
              primary_key: [customer_id, value_date, currency]
              refresh: { by: [customer_id, currency] }
          """)
    ],
    says: [
      "model mtr_rolling_30d_balance changed breaking: primary_key: "
        + "[customer_id, currency, value_date] → [customer_id, value_date, currency]",
      "model mtr_rolling_30d_balance changed: refresh by: [customer_id] → [customer_id, currency]",
    ]),
]

/// What `pipeline plan --json` says.
private struct Plan: Decodable {
  struct Change: Decodable {
    let part, name, change, detail: String
    let isBreaking: Bool
  }

  let changes: [Change]
  let kind: String
  let refusal: String?
  let cycles: Int64

  var says: [String] {
    changes.map {
      "\($0.part) \($0.name) \($0.change)\($0.isBreaking ? " breaking" : ""): \($0.detail)"
    }
  }
}

/// What became of a deploy, and what it cost.
private struct Deployed: Decodable {
  var status: String
  var cycles: Int64
}

/// Plans and then deploys changes of a bank reconciliation that has rows.
struct PlannedChanges {
  let cluster: ProcessCluster
  /// A copy of the package as it is deployed; it is changed.
  let folder: URL

  func run() async throws {
    // They speak of what goes.
    try FileManager.default.removeItem(at: folder.appending(path: "tests"))
    var table = ["change | the plan says | planned | the deploy | charged"]
    for change in changes {
      try change.make(in: folder)
      let plan = try plan(change.options)
      #expect(plan.says == change.says, "\(change.name)")
      #expect(plan.kind == (change.refusal == nil ? "upgrade" : "refused"), "\(change.name)")
      if let code = change.refusal { #expect(plan.refusal?.hasPrefix(code) == true) }
      let deployed = try deploy(change)
      #expect(deployed.status == change.refusal ?? "applied", "\(change.name)")
      let apart = abs(deployed.cycles - plan.cycles)
      #expect(deployed.cycles > 0 && apart <= deployed.cycles / 10, "\(change.name): \(apart)")
      table.append(
        "\(change.name) | \(plan.says.joined(separator: "; ")) | \(plan.cycles) | "
          + "\(deployed.status) | \(deployed.cycles)")
      try await leaves(change.refusal == nil ? [] : change.says)
    }
    print(table.joined(separator: "\n"))
  }

  /// Waits until the replica that is asked has come to the deploy: what would still change then.
  private func leaves(_ says: [String]) async throws {
    try await eventually("a plan that says \(says)") { try plan([]).says == says }
  }

  private func plan(_ options: [String]) throws -> Plan {
    let ended = try cluster.quorate("pipeline", "plan", folder.path, "--json", more: options)
    let plan = try JSONDecoder().decode(Plan.self, from: Data(ended.output.utf8))
    #expect(ended.status == (plan.refusal == nil ? 0 : 1), "\(ended)")
    return plan
  }

  /// A refusal has no receipt on the output: its words tell the code and the cost.
  private func deploy(_ change: BankChange) throws -> Deployed {
    let ended = try cluster.quorate(
      "pipeline", "deploy", folder.path, "--json", more: change.options)
    guard ended.status != 0 else {
      return try JSONDecoder().decode(Deployed.self, from: Data(ended.output.utf8))
    }
    let cost = try #require(ended.errors.firstMatch(of: #/It cost ([\d,]+) cycles/#), "\(ended)")
    let code = try #require(ended.errors.firstMatch(of: #/\[([A-Z_]+)\]/#), "\(ended)")
    let cycles = try #require(Int64(cost.1.filter { $0 != "," }), "\(ended)")
    return Deployed(status: String(code.1), cycles: cycles)
  }
}
