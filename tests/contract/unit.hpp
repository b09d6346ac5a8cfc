/// What each differently compiled unit of the one program offers: the text that it generates from a model file.
#pragma once
#include <string>

std::string speak_plain(const char* model_path);
std::string speak_avx2(const char* model_path);
std::string speak_nothrow(const char* model_path);
/// The sum of a few numbers by a kernel of the user's own, dispatched by Highway.
float user_sum();
