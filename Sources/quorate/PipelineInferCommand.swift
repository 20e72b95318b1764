import ArgumentParser
import Foundation
import Pipelines
import Wire

extension PipelineCommand {
  struct Infer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Draft the contract of a source from a CSV file: types, nulls, delimiter, key.",
      discussion: """
          quorate pipeline infer feed.csv > my-pipeline/sources/feed.yaml
          quorate pipeline infer trans.asc --name transactions
        """)
    @Argument(help: "A CSV file.") var file: String
    @Option(help: "What the source is called; else as the file is.") var name: String?

    func run() async throws {
      guard !["ndjson", "jsonl", "json"].contains(URL(filePath: file).pathExtension) else {
        throw Failure(
          "\(file): a contract is drafted from CSV only. Write the contract of JSON rows by hand: "
            + "'quorate pipeline new DIR' writes one to begin from.")
      }
      guard let data = FileManager.default.contents(atPath: file) else {
        throw Failure("There is no file \(file), or it cannot be read.")
      }
      let stem = URL(filePath: file).deletingPathExtension().lastPathComponent.lowercased()
      let name = name ?? String(stem.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
      guard name.wholeMatch(of: #/[a-z][a-z0-9_]{0,47}/#) != nil else {
        throw Failure("'\(name)' is no name for a source; give one with --name.")
      }
      let draft: ContractDraft
      do { draft = try ContractDraft(csv: [UInt8](data), name: name) } catch {
        throw Failure("\(file): \(error.message)")
      }
      Terminal.emit(String(draft.yaml.dropLast()))
      if !draft.source.csv.header {
        Terminal.warn(
          "The first line is taken for a row: in a header each name stands once, and none begins "
            + "with a digit. If it is one, correct it and draft again.")
      }
      Terminal.warn(
        "\(counted(draft.rows, "row")) looked at; the draft takes "
          + "\(grouped(draft.rows - draft.rejected)) of them, and "
          + (draft.keyIsProven
            ? "\(source(draft)) tells them apart."
            : "no column or pair of columns tells them apart.")
      )
    }

    private func source(_ draft: ContractDraft) -> String {
      draft.source.primaryKey.joined(separator: " with ")
    }
  }
}
