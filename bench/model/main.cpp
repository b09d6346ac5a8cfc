// nibble-bench: what a model costs on this machine, and how true its numbers are. See bench/README.md.
#include <CLI/CLI.hpp>
#include <deque>
#include <exception>
#include <functional>
#include <iostream>
#include <set>
#include <string>

#include "command.hpp"
#include "nibble/core/thread_pool.hpp"
#include "provenance.hpp"
#include "target.hpp"

namespace {

const std::set<std::string> kv_names{"f32", "f16", "bf16", "q8_0", "q4_0"};
/// Of options without which something else is done: an empty name must not mean that.
std::string named(const std::string& text) { return text.empty() ? "expected a name, found none" : ""; }

/// The command line: a subcommand for each function, with arguments and defaults of its own.
class command_line {
 public:
  command_line() {
    app_.require_subcommand(1);
    app_.option_defaults()->always_capture_default();

    add_speeds();
    add_many();
    add_rows();
    add_texts();
    add_quality();
    add_targets();
  }

  int run(int argc, char** argv) try {
    app_.parse(argc, argv);
    chosen_();
    return status_;
  } catch (const CLI::ParseError& e) {
    return app_.exit(e);
  } catch (const std::exception& e) {
    std::cerr << "nibble-bench: " << e.what() << '\n';
    return 1;
  }

 private:
  /// What a model costs alone.
  void add_speeds() {
    CLI::App* c = add("speed", "tokens a second of a prompt and of decoding, as one line of JSON", bench::speed);
    evaluation(c);
    count(c, "--prompt", "ids of the prompt", a_->prompt);
    count(c, "--generate", "ids decoded one by one", a_->generate);
    count(c, "--depth", "positions in front of those", a_->depth);
    count(c, "--sequences", "sequences decoded together", a_->sequences, 1, nibble::most_sequences);
    count(c, "--repeat", "measured rounds, after one that warms up", a_->repeat, 1);
    limits(c);

    c = add("sweep", "a table of a model on this machine: prompts, depths, batches, threads, formats", bench::sweep);
    a_->limits = true;
    file(c, "--json", "file to write", a_->output);
    count(c, "--chunk", "ids of a step", a_->chunk, 1);
    c->add_flag("--quick", a_->quick, "short cases, once each");
    target(c);
    limits(c);

    c = add("study",
            "one prompt continued through a session, as published studies do it, as JSON; or, in the place of a file, a shape: "
            "gpt2, gpt2-xl or mistral-7b with random weights, as a table",
            bench::study);
    a_->generate = 128, a_->repeat = 8, a_->limits = true;
    evaluation(c);
    c->add_option("--formats", a_->formats, "of a shape, each beside the first")->delimiter(',');
    count(c, "--layers", "of a shape; 0: all", a_->layers);
    c->add_option("--json", a_->output, "file to write what a shape's table is made from")->check(named);
    c->add_option("--prompt", a_->text, "text to continue");
    count(c, "--generate", "tokens of the answer at most", a_->generate, 2);
    count(c, "--repeat", "measured runs, after one that warms up", a_->repeat, 1);
    limits(c);
  }
  /// What many requests cost, and guesses.
  void add_many() {
    CLI::App* c =
        add("schedule", "requests of a JSON file through a scheduler, each with its times and a hash of its ids, as JSON",
            bench::schedule);
    a_->sequences = 16, a_->context = 0;
    file(c, "requests", "JSON file, see bench/README.md", a_->input);
    evaluation(c);
    count(c, "--running", "requests that share a step", a_->sequences, 1, nibble::most_sequences);
    count(c, "--context", "positions of a request; 0: those of the longest", a_->context);
    count(c, "--kv-mb", "MiB of keys and values of all; 0: room for the whole context of each", a_->kv_mb);
    c->add_option("--pace", a_->pace,
                  "how many times as long steps may take that have parts of prompts beside answers; 0: any");
    c->add_flag("--one-by-one", a_->one_by_one, "one after the other through a session");
    c->add_flag("--no-prefix-cache", a_->no_prefixes, "each request processes its whole prompt");

    c = add("requests", "writes random requests for schedule", bench::random_requests);
    file(c, "out", "JSON file to write", a_->output);
    count(c, "--count", "requests", a_->requests, 1);
    pair(c, "--prompt", "ids of a prompt: least and most", a_->prompts);
    pair(c, "--answer", "ids of an answer: least and most", a_->answers);
    count(c, "--shared", "ids with which all prompts begin", a_->shared);
    c->add_option("--rate", a_->rate, "requests a second, at random times; 0: all at once");
    count(c, "--seed", "of the random numbers", a_->seed);

    c = add("speculate", "what guessing ahead saves when a text is continued, as one line of JSON; the answer must not change",
            bench::speculate);
    a_->generate = 128;
    evaluation(c);
    c->add_option("--draft", a_->draft, "GGUF file of a model that guesses; without it, what was said before does")
        ->check(named);
    c->add_flag("--block", a_->block, "a block of the file guesses, which foretells the token after the next");
    c->add_option("--prompt", a_->text, "text to continue");
    c->add_option("--file", a_->input, "UTF-8 file with that text")->check(named);
    c->add_flag("--special", a_->special, "names of control tokens in the text are those tokens");
    c->add_option("--temperature", a_->temperature, "of drawing tokens; 0: the most likely one");
    c->add_flag("--always", a_->always, "check guesses whether they pay or not");
    count(c, "--generate", "tokens of the answer at most", a_->generate, 2);
    count(c, "--repeat", "measured pairs", a_->repeat, 1);
  }
  /// What a model gives, as numbers.
  void add_rows() {
    CLI::App* c = add("logits", "writes the logits after every id: rows of little-endian float32", bench::logits);
    a_->kv = "f32", a_->chunk = 64, a_->context = 0;
    file(c, "tokens", "JSON file of ids", a_->input);
    file(c, "out", "file to write", a_->output);
    evaluation(c);
    count(c, "--context", "start anew after so many ids; 0: never", a_->context);
    c->add_option("--adapter", a_->adapters,
                  "a LoRA adapter or a control vector, as FILE or FILE=SCALE; more than one may be named");
    c->add_option("--pieces", a_->pieces, "ids of each step, as 23,17; what they leave over is one more")
        ->delimiter(',')
        ->check(CLI::Range(std::size_t{1}, nibble::most_positions))
        ->excludes("--chunk");

    c = add("embed", "writes the vector that is made of ids, or a row for each: little-endian float32", bench::embed);
    a_->kv = "f32";
    file(c, "tokens", "JSON file of ids", a_->input);
    file(c, "out", "file to write", a_->output);
    count(c, "--threads", "threads, the caller's included", a_->threads, 1, nibble::thread_pool::max_threads);
    count(c, "--pooling", "0 a row for each id, 1 mean, 2 first, 3 last, 4 rank", a_->pooling, 0, 4);
    c->add_option("--kv", a_->kv, "format of keys and values")->check(CLI::IsMember(kv_names));
    c->add_flag("--mapped", a_->mapped, "leave weights in the pages of the file");
    target(c);

    c = add("draft", "writes the logits of the block that drafts, after every id but the first", bench::draft);
    a_->kv = "f32", a_->chunk = 64;
    file(c, "tokens", "JSON file of ids", a_->input);
    file(c, "out", "file to write", a_->output);
    evaluation(c);

    c = add("decode", "writes the rows of a tensor as little-endian float32", bench::decode);
    c->add_option("tensor", a_->tensor, "its name")->required();
    file(c, "out", "file to write", a_->output);
  }
  /// What becomes of texts.
  void add_texts() {
    CLI::App* c = add("tokens", "writes the ids of a text as JSON, without those that begin and end it", bench::tokens);
    file(c, "text", "UTF-8 file", a_->input);
    file(c, "out", "JSON file to write", a_->output);
    c->add_flag("--special", a_->special, "names of control tokens in the text are those tokens");

    c = add("template", "writes what a chat template makes of the values in a JSON file", bench::render_template, "Jinja file");
    file(c, "context", "JSON file: an object of values", a_->input);
    c->add_option("--now", a_->now, "the time it tells, in seconds since the beginning of 1970; 0: the time it is");

    c = add("tools", "how many of 20 calls of tools are right, with the constraint and without, as one line of JSON",
            bench::tools);
    count(c, "--threads", "threads, the caller's included", a_->threads, 1, nibble::thread_pool::max_threads);
    c->add_flag("--speed", a_->quick, "tokens a second under a JSON schema and without, instead");
    count(c, "--generate", "tokens of these", a_->generate, 2);
    count(c, "--repeat", "pairs of runs, of which the best count", a_->repeat, 1);
    target(c);

    add("masks", "answers which tokens grammars allow behind prefixes: lines of JSON, see bench/README.md", bench::masks);

    c = app_.add_subcommand("schema", "whether JSON values are what a JSON Schema says: accepted or refused, a line for each");
    c->footer(
        "What counts is the value, not how the file writes it: it is walked without spaces, with members in their order, and\n"
        "numbers without exponents, as a grammar of the schema writes it.");
    a_ = &arguments_.emplace_back();
    file(c, "schema", "JSON file", a_->input);
    file(c, "instances", "JSON file: an array of values", a_->output);
    c->add_option_function<std::string>(
        "--vocabulary", [a = a_](const std::string& text) { a->model = text; },
        "GGUF file: walk by its tokens under masks, and print microseconds a mask");
    c->callback([this, a = a_] { chosen_ = [this, a] { status_ = bench::schema(a->input, a->output, a->model); }; });
  }
  /// How true numbers are.
  void add_quality() {
    CLI::App* c = add("score", "perplexity over the second half of chunks of ids, as one line of JSON", bench::score);
    a_->chunk = 64;
    file(c, "tokens", "JSON file of ids", a_->input);
    evaluation(c);
    count(c, "--context", "ids of a chunk", a_->context, 3);

    c = add("divergence", "how far formats of keys and values lead from F32 over one text, as one line of JSON",
            bench::divergence);
    a_->kv = "q8_0", a_->chunk = 64, a_->context = 4096;
    file(c, "tokens", "JSON file of ids", a_->input);
    evaluation(c);
    formats(c);
    count(c, "--context", "ids of the text at most", a_->context, 2);

    c = add("stream", "perplexity of one text that may be longer than the context, as one line of JSON", bench::stream);
    a_->chunk = 64, a_->context = 0;
    file(c, "tokens", "JSON file of ids", a_->input);
    evaluation(c);
    formats(c);
    count(c, "--context", "positions that are seen at most; 0: all", a_->context);
    c->add_option("--when-full", a_->when_full, "what becomes of a longer text")
        ->check(CLI::IsMember({"stop", "shift", "sinks", "heavy-hitters"}));
    count(c, "--kept", "first ids that stay in sight", a_->kept);
    count(c, "--recent", "last ids that stay beside heavy hitters, in pages of 64; 0: half of the context", a_->recent);
    count(c, "--behind", "a second mean, over what comes behind so many ids", a_->behind);
  }
  void add_targets() {
    CLI::App* c =
        app_.add_subcommand("targets", "the instruction sets that --target takes on this machine, one a line, best first");
    c->callback([this] {
      chosen_ = [] {
        for (const auto& name : bench::target_names()) std::cout << name << '\n';
      };
    });
  }

  CLI::App* add(const char* name, const char* what, void (*f)(const bench::arguments&), const char* read = "GGUF file") {
    a_ = &arguments_.emplace_back();
    CLI::App* c = app_.add_subcommand(name, what);
    file(c, "model", read, a_->model);
    c->callback([this, f, a = a_] {
      chosen_ = [f, a] {
        bench::check_output(*a);
        bench::choose_target(a->target);
        f(*a);
      };
    });
    return c;
  }
  static void file(CLI::App* c, const char* name, const char* what, bench::fs::path& value) {
    c->add_option_function<std::string>(
         name, [&value](const std::string& text) { value = text; }, what)
        ->required()
        ->check(named);
  }
  static void count(CLI::App* c, const char* name, const char* what, std::size_t& value, std::size_t least = 0,
                    std::size_t most = nibble::most_positions) {
    const CLI::Range range(least, most);
    c->add_option(name, value, what)->check(range);
  }
  static void pair(CLI::App* c, const char* name, const char* what, std::vector<std::size_t>& value) {
    c->add_option(name, value, what)->delimiter(',')->expected(2)->check(CLI::Range(std::size_t{1}, nibble::most_positions));
  }
  void evaluation(CLI::App* c) {
    count(c, "--threads", "threads, the caller's included", a_->threads, 1, nibble::thread_pool::max_threads);
    count(c, "--chunk", "ids of a step", a_->chunk, 1);
    c->add_option("--kv", a_->kv, "format of keys and values")->check(CLI::IsMember(kv_names));
    c->add_flag("--large-pages", a_->large_pages, "ask the system for large pages for keys and values");
    c->add_flag("--mapped", a_->mapped, "leave weights in the pages of the file");
    target(c);
  }

  void formats(CLI::App* c) {
    c->add_option("--keys", a_->keys, "format of keys alone")->check(CLI::IsMember(kv_names));
    c->add_option("--values", a_->values, "format of values alone")->check(CLI::IsMember(kv_names));
    c->add_option("--rotated", a_->rotated, "rotate heads before they are stored")
        ->check(CLI::IsMember({"auto", "on", "off", "keys", "values"}));
  }

  void target(CLI::App* c) {
    c->add_option("--target", a_->target, "instruction set to run, one of `nibble-bench targets` (default: the first of them)")
        ->check(named);
  }
  void limits(CLI::App* c) {
    c->add_flag("--limits,!--no-limits", a_->limits, "measure what the machine can read and multiply, too");
  }

  CLI::App app_{"What a GGUF model costs on this machine, and how true its numbers are.", "nibble-bench"};
  std::deque<bench::arguments> arguments_;
  bench::arguments* a_ = nullptr;  // of the command that is being added
  std::function<void()> chosen_;
  int status_ = 0;
};

}  // namespace

int main(int argc, char** argv) { return command_line().run(argc, argv); }
