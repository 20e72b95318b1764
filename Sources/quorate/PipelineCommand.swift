import ArgumentParser
import Certification
import Foundation
import Pipelines
import QuorateClient
import Wire

struct PipelineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pipeline", abstract: "Folders of YAML and SQL, deployed by an update.",
    discussion: """
        quorate pipeline new my-pipeline
        quorate pipeline lint my-pipeline
        quorate pipeline test my-pipeline
        quorate pipeline plan my-pipeline
        quorate pipeline deploy my-pipeline --cycles 5T
        quorate pipeline show my_pipeline
        quorate pipeline grant my_pipeline operations alice
      """,
    subcommands: [
      New.self, LintCommand.self, TestCommand.self, Plan.self, Deploy.self, List.self, Show.self,
      LineageCommand.self, Check.self, Snapshot.self, Infer.self,
      Quarantine.self, Grant.self, Revoke.self,
    ])

  struct New: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a small pipeline that works, to begin from.")
    @Argument(help: "A folder that does not exist yet.") var directory: String
    @Option(help: "The pipeline's name; else that of the folder.") var name: String?

    func run() async throws {
      let folder = URL(filePath: directory).standardizedFileURL
      let given = name ?? folder.lastPathComponent
      let name = name ?? given.replacingOccurrences(of: "-", with: "_")
      guard name.wholeMatch(of: #/[a-z][a-z0-9_]{0,47}/#) != nil else {
        throw Failure(
          "A pipeline cannot be called '\(given)': a name is of a-z, 0-9 and '_', begins with "
            + "a letter and has at most 48. Give one with "
            + "--name\(Self.sound(given).map { " \($0)" } ?? "").")
      }
      let template = PipelineTemplate(name: name)
      try template.write(to: folder)
      Terminal.say(
        template.files.map { "\(directory)/\($0.path)" }.joined(separator: "\n")
          + "\nNext: quorate pipeline lint \(directory)")
    }

    /// A name near to what was given; nil where nothing of it can stand.
    static func sound(_ name: String) -> String? {
      let kept = name.lowercased().map { character in
        character.isASCII && (character.isLetter || character.isNumber) ? character : "_"
      }
      let sound = String(String(kept).drop { !$0.isLetter }.prefix(48))
      return sound.isEmpty ? nil : sound
    }
  }

  struct LintCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "lint", abstract: "Every mistake of a package, with its place and its fix.",
      discussion: """
        Exit status 1 when there is one. With --json: package, isSound, and findings, each with
        file, line, column, rule, severity (error or note), message, reason and fix. A finding
        about no line has line 0; what else it lacks is empty.

          quorate pipeline lint my-pipeline
          quorate pipeline lint my-pipeline --json
        """)
    @Argument(help: "The package's folder.") var directory: String
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      guard !json else {
        let report = LintReport(of: directory)
        Terminal.say(try Terminal.json(report))
        if !report.isSound { throw ExitCode(1) }
        return
      }
      let (checked, tests) = try PackageFolder.readWithTests(directory)
      let package = checked.package
      for note in checked.notes { Terminal.say(note) }
      Terminal.say(
        "\(package.name) \(package.version) is sound: \(PackageFolder.summary(package)), "
          + "\(counted(tests.count, "test")).")
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "What is deployed.")
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let session = try Session(location, caller)
      let catalog = try await session.catalog()
      await session.client.close()
      let rows = catalog.pipelines.map {
        [
          $0.name, $0.version, $0.condition.label, cyclesText($0.balance.number),
          "\($0.sources.count)", "\($0.tables.count)", $0.about,
        ]
      }
      if json {
        Terminal.say(
          try Terminal.json(rows.map { ["name": $0[0], "version": $0[1], "state": $0[2]] }))
      } else if rows.isEmpty {
        Terminal.say("No pipeline is deployed. Begin with: quorate pipeline new DIR")
      } else {
        Terminal.say(
          Terminal.table(
            ["pipeline", "version", "state", "cycles", "sources", "tables", "description"], rows))
        for advice in catalog.pipelines.compactMap(CyclesCommand.advice) { Terminal.say(advice) }
      }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "One pipeline: its tables, how far its sources are, and who holds its roles.",
      discussion: """
        Rows and violations are counted since the package has the source or the expectation, each
        row as it comes in; what leaves the quarantine later counts as released, and as accepted or
        duplicate. Rows of updates that were refused are rejected: of such an update, an expectation
        counts the one row that refused it.
        """)
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "The pipeline.") var name: String
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let session = try Session(location, caller)
      let (found, height) = try await session.described(name)
      let report = try await session.client.report(of: name)
      await session.client.close()
      let roles = RoleHolder.all(of: report, in: location.identities)
      if json {
        Terminal.say(
          try Terminal.json(
            PipelineSummary(
              name: found.name, height: height.number, version: found.version,
              owner: found.owner.hex, package: found.package.hex, balance: "\(found.balance)",
              root: found.root.hex,
              condition: found.condition.label,
              stale: found.progress.filter {
                ![nil, .fresh].contains($0.staleness(at: Self.now))
              }.map(\.source), rows: report.counts.map(SourceRows.init), roles: roles)))
        return
      }
      Terminal.say(text(found, at: height))
      if let advice = CyclesCommand.advice(found) { Terminal.say("\n" + advice) }
      for (title, entries) in [
        ("sources", found.sources), ("procedures", found.procedures), ("queries", found.queries),
        ("metrics", found.metrics),
      ] where !entries.isEmpty {
        Terminal.say("\n\(title)")
        for entry in entries { Terminal.say("  \(entry.signature)") }
      }
      let now = Self.now
      if !found.progress.isEmpty {
        Terminal.say("\n" + Self.progress(found.progress, at: now))
        for line in Self.warnings(found.progress, at: now) { Terminal.warn(line) }
      }
      if let text = SourceRows.text(of: report.counts) { Terminal.say("\n" + text) }
      guard !roles.isEmpty else { return }
      Terminal.say(
        "\n"
          + Terminal.table(
            ["role", "identity", "key"], roles.map { [$0.role, $0.identity ?? "", $0.key] }))
    }

    private func text(_ found: CatalogPipeline, at height: Height) -> String {
      let condition = found.condition == .running ? "" : "; \(found.condition.label.uppercased())"
      let head =
        """
        \(found.name) \(found.version)  \(found.about)
        owner \(found.owner.hex)
        \(cyclesText(found.balance.number)) cycles, updates freeze below \
        \(cyclesText(found.freezesBelow.number))\(condition)
        root of its tables \(found.root.hex)
        as one replica has it at height \(height)

        """
      return head
        + Terminal.table(
          ["table", "layer", "proofs", "key", "columns"],
          found.tables.map {
            [
              $0.name, $0.layer, $0.isCertified ? "yes" : "", $0.key.joined(separator: ", "),
              "\($0.columns.count)",
            ]
          })
    }

    private static var now: Moment { Moment(UInt64(Date().timeIntervalSince1970 * 1_000)) }

    private static func progress(_ all: [SourceProgress], at now: Moment) -> String {
      Terminal.table(
        ["source", "late rows", "watermark", "last row taken", "age", "freshness"],
        all.map { source in
          [
            source.source, source.late,
            source.watermark.flatMap { Certification.ColumnType.timestamp.text(of: .int($0)) }
              ?? "",
            source.acceptedAt.flatMap {
              Certification.ColumnType.timestamp.text(of: .int(Int64(clamping: $0.number)))
            } ?? "", source.age(at: now).map(ageText) ?? "",
            source.staleness(at: now)?.rawValue ?? (source.bound == nil ? "" : "no row yet"),
          ]
        })
    }

    private static func warnings(_ all: [SourceProgress], at now: Moment) -> [String] {
      all.compactMap { source in
        guard let bound = source.bound, let age = source.age(at: now),
          let staleness = source.staleness(at: now), staleness != .fresh
        else { return nil }
        let limit = staleness == .error ? bound.errorAfter : bound.warnAfter
        return "\(source.source) is stale: it took no row for \(ageText(age)), and freshness: "
          + "allows \(ageText(limit)) (\(staleness.rawValue)_after). See whether its feed runs."
      }
    }
  }
}

/// A package read from its folder and checked, or all its mistakes.
enum PackageFolder {
  static func read(_ directory: String) throws -> Package {
    try readWithTests(directory).checked.package
  }

  /// With what may go added to the package's own `drops:`.
  static func read(_ directory: String, dropping names: [String]) throws -> Package {
    let checked = try readWithTests(directory).checked
    var package = checked.package
    guard !names.isEmpty else { return package }
    for name in names where kept(name, in: checked) {
      throw Failure(
        "--drop \(name): the package in \(directory) still has it. Take it out of the package "
          + "first, or leave --drop out.")
    }
    package.drops = Set(package.drops).union(names).sorted()
    do { return try CheckedPackage(package).package } catch { throw Failure("\(error)") }
  }

  private static func kept(_ name: String, in checked: CheckedPackage) -> Bool {
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    guard parts.count == 2 else {
      return checked.source(name) != nil || checked.model(name) != nil
    }
    return checked.source(parts[0])?.source.storedColumns.contains { $0.name == parts[1] } ?? false
      || checked.model(parts[0])?.column(parts[1]) != nil
  }

  /// Every name that may go is one that the deployed pipeline has.
  static func check(_ names: [String], against found: CatalogPipeline?, of name: String) throws {
    guard let wrong = names.first(where: { !(found?.droppable.contains($0) ?? false) }) else {
      return
    }
    guard let found else {
      throw Failure("--drop \(wrong): \(name) is not deployed, so there is nothing to drop.")
    }
    throw Failure(
      "--drop \(wrong): the deployed \(name) has no such model, source or NAME.COLUMN"
        + Spelling.hint(wrong, among: found.droppable)
        + " 'quorate pipeline show \(name)' shows what there is.")
  }

  static func readWithTests(
    _ directory: String
  ) throws -> (checked: CheckedPackage, tests: [UnitTest]) {
    do {
      return try PackageReader.readWithTests(PackageFiles(directory: directory))
    } catch {
      let count = error.list.count
      throw Failure("\(error)" + (count > 1 ? "\n\(counted(count, "finding"))." : ""))
    }
  }

  static func summary(_ package: Package) -> String {
    [
      (package.sources.count, "source", "sources"), (package.models.count, "model", "models"),
      (package.procedures.count, "procedure", "procedures"),
      (package.queries.count, "query", "queries"), (package.metrics.count, "metric", "metrics"),
    ].map { counted($0.0, $0.1, $0.2) }.joined(separator: ", ")
  }
}

extension CatalogPipeline {
  /// What an upgrade may leave out when it says so.
  var droppable: [String] {
    let models = tables.filter {
      !$0.name.hasPrefix("bronze_") && !$0.name.hasPrefix("quarantine_")
    }
    let captured = tables.filter { table in
      table.name.hasPrefix("bronze_")
        && table.columns.contains { $0.name == Source.captureColumn }
    }
    return sources.map(\.name) + models.map(\.name)
      + sources.flatMap { source in source.fields.map { "\(source.name).\($0.name)" } }
      + captured.map { "\($0.name.dropFirst("bronze_".count)).\(Source.captureColumn)" }
      + models.flatMap { model in model.columns.map { "\(model.name).\($0.name)" } }
  }
}
