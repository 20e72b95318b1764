import ArgumentParser
import Certification
import Foundation
import Pipelines
import QuorateClient
import Wire

extension PipelineCommand {
  struct Quarantine: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Rows that broke their contract: what they are, and letting them in.",
      discussion: """
          quorate pipeline quarantine list my_pipeline
          quorate pipeline quarantine list my_pipeline entries
          quorate pipeline quarantine release my_pipeline entries --batch 2026-01-31-0
        """,
      subcommands: [ListCommand.self, Release.self])

    struct ListCommand: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "How many rows each quarantine holds, or the rows of one with their reasons.")
      @OptionGroup var location: ClusterLocation
      @OptionGroup var caller: Caller
      @Argument(help: "The pipeline.") var pipeline: String
      @Argument(help: "The source; without it all are counted.") var source: String?
      @Flag(help: "Released rows too.") var all = false
      @Option(help: "Rows at most.") var limit = 100
      @Flag(help: "For programs.") var json = false

      func run() async throws {
        let session = try Session(location, caller)
        let found = try await session.pipeline(pipeline)
        let answer = try await session.ask(
          .sql(try sql(found)), pipeline, .replica)
        await session.client.close()
        // Fields that no column reads are rare.
        let shown = answer.table.columns.indices.filter { place in
          answer.table.columns[place].name != Source.captureColumn
            || answer.table.texts.contains { $0[place] != nil }
        }
        let names = shown.map { answer.table.columns[$0].name }
        let rows = answer.table.texts.map { row in shown.map { row[$0] ?? "" } }
        if json {
          Terminal.say(try Terminal.json(Terminal.objects(names, rows)))
        } else {
          Terminal.say(text(names, rows))
        }
      }

      /// What is held back, and what to do about it.
      func text(_ names: [String], _ rows: [[String]]) -> String {
        let command = "quorate pipeline quarantine"
        guard let source else {
          let table = Terminal.table(names, rows)
          guard let held = rows.first(where: { $0.last != "0" })?.first else {
            return "\(table)\nNothing is held back. Rows that break their contract come here; "
              + "'quorate pipeline show \(pipeline)' counts what became of all rows."
          }
          return "\(table)\nRows with their reasons: \(command) list \(pipeline) \(held.inOneLine)"
        }
        guard !rows.isEmpty else {
          return "\(source) holds nothing back"
            + (all ? ", released rows included." : ". With rows that were released: --all")
        }
        let next =
          "Its owner lets in what passes by now with: \(command) release \(pipeline) \(source)"
        return Terminal.table(names, rows)
          + (rows.count == limit ? "\nThe first \(limit); more with --limit." : "") + "\n\(next)"
      }

      private func sql(_ found: CatalogPipeline) throws -> String {
        guard let source else {
          guard !found.sources.isEmpty else { throw Failure("\(pipeline) has no source.") }
          return found.sources.map { entry in
            "select '\(entry.name)' as source, count(*) as held_back from "
              + "quarantine_\(entry.name) where _released_by is null"
          }.joined(separator: " union all ") + " order by source"
        }
        guard let entry = found.sources.first(where: { $0.name == source }) else {
          throw Failure(
            "\(pipeline) has no source \(source); it has "
              + found.sources.map(\.name).joined(separator: ", ") + ".")
        }
        let columns =
          ["_height", "_row", "_errors"] + entry.fields.map(\.name)
          + [Source.captureColumn, "_batch"]
        return "select \(columns.joined(separator: ", "))\(all ? ", _released_by" : "") from "
          + "quarantine_\(source)\(all ? "" : " where _released_by is null") "
          + "order by _height, _position, _row limit \(max(1, limit))"
      }
    }

    struct Release: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Look again at rows that were held back; those that pass now are taken.",
        discussion: """
          For the owner. A row passes when it meets the contract as it is now: after an upgrade, or
          once what it refers to is there. A late row is let in and counted as late: releasing it is
          your decision. The others stay. A release looks at 10,000 rows, the oldest; the receipt
          says how many more there are.

            quorate pipeline quarantine release my_pipeline entries
          """)
      @OptionGroup var location: ClusterLocation
      @OptionGroup var caller: Caller
      @Argument(help: "The pipeline.") var pipeline: String
      @Argument(help: "The source.") var source: String
      @Option(help: "Only rows of the batch with this idempotency key.") var batch: String?
      @Option(help: "Only rows that came at this height.") var height: UInt64?
      @Option(help: "Only the row at this place of its batch.") var row: UInt32?
      @Option(help: "The idempotency key. Without it, a new one.") var key: String?
      @Option(help: "VDBE steps at most; reserved before, paid as used.") var steps: UInt64?
      @Flag(help: "For programs.") var json = false

      func run() async throws {
        let session = try Session(location, caller)
        let selection = ReleaseSelection(batch: batch, height: height, row: row)
        // Under a key of one's own an earlier release may be asked for again.
        if key == nil { try await refuseNothing(session) }
        let certified = try await session.submit(
          Intention(
            pipeline: pipeline, method: .release(source: source),
            body: selection.canonicalBytes, key: key ?? Session.freshKey(), stepLimit: steps))
        await session.client.close()
        let report = ReceiptReport(certified)
        let isEmpty = report.isOfNoRow && !report.replayed
        Terminal.say(
          try report.remarking(isEmpty ? "no row was held back\(chosen)" : nil).text(json: json))
      }

      /// A release of nothing would be paid for.
      private func refuseNothing(_ session: Session) async throws {
        let found = try await session.pipeline(pipeline)
        guard found.sources.contains(where: { $0.name == source }) else {
          throw Failure(
            "\(pipeline) has no source \(source); it has "
              + found.sources.map(\.name).joined(separator: ", ") + ".")
        }
        let answer: VerifiedAnswer
        do {
          answer = try await session.client.ask(
            .sql(sql), of: pipeline,
            arguments: batch.map { [.init(name: "batch", value: .text($0))] } ?? [],
            recency: .fresh)
        } catch {
          // Who may not read the rows may not release them either, and is told so of the release.
          guard error.code == "NOT_ALLOWED" else { throw error }
          return
        }
        guard answer.table.rows == [[.int(0)]] else { return }
        throw Failure(
          "\(source) holds back no row\(chosen): nothing was sent. What it holds: "
            + "quorate pipeline quarantine list \(pipeline) \(source)")
      }

      private var sql: String {
        var sql = "select count(*) as held from quarantine_\(source) where _released_by is null"
        if batch != nil { sql += " and _batch = :batch" }
        if let height { sql += " and _height = \(height)" }
        if let row { sql += " and _row = \(row)" }
        return sql
      }

      /// Which rows were chosen, in words.
      private var chosen: String {
        (batch.map { " of batch \($0)" } ?? "") + (height.map { " at height \($0)" } ?? "")
          + (row.map { " at place \($0) of its batch" } ?? "")
      }
    }
  }
}
