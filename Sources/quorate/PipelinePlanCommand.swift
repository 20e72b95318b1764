import ArgumentParser
import Certification
import Execution
import Foundation
import Pipelines
import QuorateClient
import SQL
import Wire

extension PipelineCommand {
  struct Plan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What a deploy would change, what of it is breaking, and its price.",
      discussion: """
        A replica takes a copy of the pipeline, deploys into it and throws it away. Nothing is
        ordered and nobody pays. Exit status 1 when the deploy would be refused.

          quorate pipeline plan my-pipeline
          quorate pipeline plan my-pipeline --drop old_model
        """)
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "The package's folder.") var directory: String
    @Option(
      help: ArgumentHelp("Say that this model, source or NAME.COLUMN may go.", valueName: "name"))
    var drop: [String] = []
    @Option(help: "Whose word: with quorum, f + 1 replicas plan alike.")
    var trust: WorkshopTrust = .replica
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let package = try PackageFolder.read(directory, dropping: drop)
      let session = try Session(location, caller)
      if !drop.isEmpty {
        let old = try await session.catalog().pipelines.first { $0.name == package.name }
        try PackageFolder.check(drop, against: old, of: package.name)
      }
      let answer = try await session.ask(.plan(package.canonicalBytes), package.name, trust.trust)
      var plan = try PlanReport(answer)
      try await weigh(&plan, package, session)
      await session.client.close()
      plan.notes = try PackageFolder.readWithTests(directory).checked.notes
      Terminal.say(json ? try Terminal.json(plan) : plan.text(package))
      if plan.refusal != nil { throw ExitCode(1) }
    }

    /// A deploy that the signer cannot pay for would be refused too.
    private func weigh(
      _ plan: inout PlanReport, _ package: Package, _ session: Session
    ) async throws {
      guard plan.refusal == nil, !plan.isUnchanged, let keys = session.keys else { return }
      let most = DeployPrice.most(
        bytes: package.canonicalBytes.count, steps: DeployCost.stepsUsual,
        try await session.client.prices().table, isNew: plan.kind == "deploy")
      plan.refusal = DeployCost.refusal(
        most: most, balance: try await session.client.balance(of: keys.publicKey),
        signer: session.signerName ?? "this account")
    }
  }

  struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Whether every model is what it is when it is computed whole.",
      discussion: """
        A replica computes each stored model anew on a copy of the live state and compares. Exit
        status 1 when one differs.

          quorate pipeline check my_pipeline
        """)
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "The pipeline.") var name: String
    @Option(help: "Whose word: with quorum, f + 1 replicas find alike.")
    var trust: WorkshopTrust = .replica
    @Flag(help: "For programs.") var json = false

    private static let columns = [
      "model", "kind", "rows", "missing", "extra", "different", "steps", "example",
    ]

    func run() async throws {
      let session = try Session(location, caller)
      let answer = try await session.ask(.check, name, trust.trust)
      await session.client.close()
      try answer.expect(Self.columns)
      let rows = answer.table.texts.map { $0.map { $0 ?? "" } }
      // missing, extra, different
      let bad = rows.filter { $0[3...5].contains { $0 != "0" } }.map(\.[0].inOneLine)
      if json {
        Terminal.say(try Terminal.json(Terminal.objects(Self.columns, rows)))
      } else {
        Terminal.say(Terminal.table(Self.columns, rows))
        Terminal.say(
          bad.isEmpty
            ? "\(counted(rows.count, "model")) at height \(answer.height): each is what it is when "
              + "it is computed whole."
            : "\(bad.joined(separator: ", ")) differ from what their SELECTs give: "
              + "look at refresh.by and refresh.map of these; a deploy with any change of their "
              + "SELECT computes them anew.")
      }
      if !bad.isEmpty { throw ExitCode(1) }
    }
  }

  struct LineageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "lineage",
      abstract: "Which columns each column comes from, as the SELECTs say.",
      discussion: """
        Of tables, and of the procedures, queries and metrics that read them; 'table.*' stands for
        rows that are counted. Behind 'by' stands what only decides of which rows, and in which
        order, the values are made: in OVER, in FILTER, in the conditions of inner SELECTs. A mark
        pii: spreads to what values come from it, not to what is made by it.

          quorate pipeline lineage my-pipeline                       a folder
          quorate pipeline lineage my_pipeline --svg lineage.svg     a deployed pipeline
        """)
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "A package's folder, or the name of a deployed pipeline.") var name: String
    @Option(help: ArgumentHelp("Write a drawing.", valueName: "file")) var svg: String?
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let edges = try await self.edges()
      if let svg {
        try OutputKind.drawing.write(Array(LineageDrawing(edges).svg.utf8), to: svg)
        if !json { return Terminal.say("The drawing is in \(svg).") }
      }
      guard json else { return Terminal.say(LineageDrawing(edges).text) }
      Terminal.say(
        try Terminal.json(
          edges.map { edge in
            [
              "kind": edge.kind.rawValue, "table": edge.table, "column": edge.column,
              "type": edge.type, "from": edge.from.map { "\($0.table).\($0.column)" } ?? "",
              "influence": edge.from == nil ? "" : edge.influence.rawValue,
              "into": edge.into ?? "",
            ]
          }))
    }

    private func edges() async throws -> [ColumnLineage] {
      var isFolder: ObjCBool = false
      if FileManager.default.fileExists(atPath: name, isDirectory: &isFolder), isFolder.boolValue {
        return try PackageFolder.readWithTests(name).checked.lineage
      }
      guard !name.contains("/") else { throw Failure("There is no folder \(name).") }
      let session = try Session(location, caller)
      let answer = try await session.ask(.lineage, name, .replica)
      await session.client.close()
      return try answer.table.texts.map { row in
        guard row.count == 8, let kind = row[5].flatMap(ColumnLineage.Kind.init),
          let influence = row[7].flatMap(ColumnLineage.Influence.init)
        else {
          throw Failure(
            "The replica tells lineage in another form: it runs another version. Name the "
              + "package's folder instead, or use the quorate that the cluster runs.")
        }
        var from: Lineage?
        if let table = row[3], let column = row[4] { from = Lineage(table: table, column: column) }
        return ColumnLineage(
          kind: kind, table: row[0] ?? "", column: row[1] ?? "", type: row[2] ?? "", from: from,
          influence: influence, into: row[6])
      }
    }
  }
}

extension Session {
  func ask(
    _ question: QueryRequest.Question, _ pipeline: String, _ trust: Trust
  ) async throws -> VerifiedAnswer {
    switch trust {
    case .replica: try await client.ask(question, of: pipeline)
    case .quorum: try await client.agree(question, of: pipeline)
    case .certified:
      throw Failure("Only rows of certified tables come with proofs; ask at trust quorum.")
    }
  }
}

extension VerifiedAnswer {
  /// One replica's answer has whatever shape it likes.
  /// - Throws: unless it has these columns, in this order.
  func expect(_ columns: [String]) throws {
    guard table.columns.map(\.name) == columns else {
      throw Failure(
        "The replica's answer has other columns than such an answer has: it lies, or runs another "
          + "version. Ask again with --trust quorum, or use the quorate that the cluster runs.")
    }
  }
}

/// A plan as people and programs read it.
struct PlanReport: Encodable {
  let height: UInt64
  let changes: [Change]
  let work: [Work]
  /// `deploy`, `upgrade`, `unchanged` (the package runs already) or `refused`.
  let kind: String
  var refusal: String?
  let warnings: String?
  let steps: Int64
  let cycles: Int64
  /// What is allowed and may surprise.
  var notes: [String] = []

  struct Change: Encodable {
    let part: String
    let name: String
    let change: String
    let isBreaking: Bool
    let detail: String
  }

  struct Work: Encodable {
    let name: String
    let work: String
    let rows: Int64
    let steps: Int64
    let cycles: Int64
    let detail: String
  }

  private static let columns = [
    "part", "name", "change", "breaking", "rows", "steps", "cycles", "detail",
  ]

  /// - Throws: where the answer is no plan.
  init(_ answer: VerifiedAnswer) throws {
    try answer.expect(Self.columns)
    height = answer.height.number
    var changes: [Change] = []
    var work: [Work] = []
    var total: [Value] = []
    for row in answer.table.rows {
      switch Self.text(row[0]) {
      case "total": total = row
      case "work":
        work.append(
          Work(
            name: Self.text(row[1]), work: Self.text(row[2]), rows: Self.number(row[4]),
            steps: Self.number(row[5]), cycles: Self.number(row[6]), detail: Self.text(row[7])))
      default:
        changes.append(
          Change(
            part: Self.text(row[0]), name: Self.text(row[1]), change: Self.text(row[2]),
            isBreaking: row[3] == .int(1), detail: Self.text(row[7])))
      }
    }
    self.changes = changes
    self.work = work
    kind = total.isEmpty ? "refused" : Self.text(total[2])
    let detail = total.isEmpty ? "the replica gave no total" : Self.text(total[7])
    refusal = kind == "refused" ? detail : nil
    warnings = kind == "refused" || detail.isEmpty ? nil : detail
    steps = total.isEmpty ? 0 : Self.number(total[5])
    cycles = total.isEmpty ? 0 : Self.number(total[6])
  }

  var isUnchanged: Bool { kind == "unchanged" }

  private static func text(_ value: Value) -> String {
    if case .text(let text) = value { text } else { "" }
  }

  /// A count: never below zero.
  private static func number(_ value: Value) -> Int64 {
    if case .int(let number) = value { max(0, number) } else { 0 }
  }

  /// With long numbers in groups of three digits.
  static func readable(_ detail: String) -> String {
    detail.split(separator: " ", omittingEmptySubsequences: false).map { word in
      let digits = word.prefix { $0.isASCII && $0.isNumber }
      let rest = word.dropFirst(digits.count)
      guard digits.count >= 6, rest.isEmpty || rest == ",", let number = UInt64(digits) else {
        return String(word)
      }
      return grouped(number) + rest
    }.joined(separator: " ")
  }

  func text(_ package: Package) -> String {
    guard !isUnchanged else {
      let words =
        "Nothing changes: \(package.name) \(package.version) runs from this package already, at "
        + "height \(height). A deploy would send nothing."
      return ([words] + notes).joined(separator: "\n")
    }
    var lines: [String] = []
    if changes.isEmpty {
      lines.append("Nothing changes.")
    } else {
      let breaks = changes.contains(where: \.isBreaking)
      lines.append(
        Terminal.table(
          ["part", "name", "change"] + (breaks ? ["breaking"] : []) + ["detail"],
          changes.map {
            [$0.part, $0.name, $0.change] + (breaks ? [$0.isBreaking ? "BREAKING" : ""] : [])
              + [Self.readable($0.detail)]
          }))
    }
    if !work.isEmpty {
      lines.append("")
      lines.append(
        Terminal.table(
          ["work", "name", "rows", "steps", "cycles", "detail"],
          work.map {
            [
              $0.work, $0.name, grouped($0.rows), $0.steps > 0 ? grouped($0.steps) : "",
              $0.cycles > 0 ? cyclesText(UInt64($0.cycles)) : "", $0.detail,
            ]
          }))
    }
    lines.append("")
    lines += notes
    if let warnings { lines.append("Warnings: \(warnings.inset)") }
    if let refusal {
      lines.append("This deploy would be refused. \(refusal.inset)")
      if refusal.hasPrefix("DROP_REFUSED"),
        let advice = Advice.after("DROP_REFUSED", refusal, signer: "")
      {
        lines.append(advice)
      }
      // One that is not taken in is not paid for.
      if !refusal.hasSuffix("[INSUFFICIENT_CYCLES]") {
        lines.append("It would cost \(cyclesText(UInt64(cycles))) cycles all the same.")
      }
    } else {
      let breaking = changes.count { $0.isBreaking }
      lines.append(
        "This \(kind) of \(package.name) \(package.version) at height \(height) costs "
          + "\(cyclesText(UInt64(cycles))) cycles (\(grouped(cycles))), \(grouped(steps)) steps; "
          + (breaking == 0
            ? "nothing is breaking."
            : "\(counted(breaking, "change")) \(breaking == 1 ? "is" : "are") breaking."))
    }
    return lines.joined(separator: "\n")
  }
}
