/// What each differently compiled unit of the one program offers: the text that it generates with a model that another unit has
/// loaded.
#pragma once
#include <string>

#include "nibble/nibble.hpp"

std::string speak_plain(const nibble::any_model& model);
std::string speak_avx2(const nibble::any_model& model);
std::string speak_nothrow(const nibble::any_model& model);
/// A session of its own, made there to be used here, and the other way round.
nibble::result<nibble::session> session_plain(const nibble::any_model& model);
nibble::result<nibble::session> session_avx2(const nibble::any_model& model);
nibble::result<nibble::session> session_nothrow(const nibble::any_model& model);
/// The sum of a few numbers by a kernel of the user's own, dispatched by Highway.
float user_sum();
