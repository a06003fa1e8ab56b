"""Words that stand in every request and answer: names of members, and values of which there are only a few.

They say nothing about anybody, so guards need not look at them. What is not among them is looked at.
"""

_WORDS = """
$defs $ref $schema additionalProperties allOf annotations anthropic anyOf arguments audio cache_control caller chat
choices citations cited_text code command const content context custom data default definitions delta description
developer detail document document_index documents effort enabled encoding_format encrypted_content end_char_index
end_index enum ephemeral error exclusiveMaximum exclusiveMinimum extra_content extra_body file file_data file_id
filename finish_reason format frequency_penalty function function_call functions google grammar id image_url include
include_usage index input input_audio input_schema is_error items json_schema keep language location logit_bias
logprobs max_completion_tokens max_output_tokens max_tokens maxItems maxLength maximum media_type message messages
metadata mimeType mime_type minItems minLength minimum modalities mode model n name not nullable object oneOf options
output page parallel_tool_calls parallelToolCalls parameters partial_json parts pattern patternProperties prediction
prefix presence_penalty prompt prompt_cache_key properties propertyOrdering quality query reasoning reasoning_content
reasoning_details reasoning_effort refusal required response response_format result results role safety_identifier
schema search_result seed service_tier signature size source speed start_char_index start_index state status stop
store stream stream_options strict style suffix summary syntax temperature text thinking thinking_blocks thought
thought_signature timestamp_granularities title token tokens tool tool_call_id tool_calls tool_choice tool_use_id
tools top_k top_logprobs top_n top_p transcript type uniqueItems unit url url_citation usage user value variables
verbosity voice web_search_options words array assistant boolean disabled input_file input_text integer null number
output_text string system ARRAY BOOLEAN INTEGER NULL NUMBER OBJECT STRING TYPE_UNSPECIFIED any auto none low medium
high minimal xhigh max flex priority scale standard standard_only batch fast json_object text_delta thinking_delta
input_json_delta signature_delta citations_delta redacted_thinking tool_result tool_use server_tool_use web_search
web_search_20250305 web_search_tool_result web_search_result base64 text/plain float alloy ash ballad coral echo fable
nova onyx sage shimmer verse 256x256 512x512 1024x1024 1024x1536 1536x1024 1024x1792 1792x1024 completion_tokens
completion_tokens_details prompt_tokens prompt_tokens_details total_tokens cached_tokens reasoning_tokens audio_tokens
accepted_prediction_tokens rejected_prediction_tokens input_tokens output_tokens cache_creation_input_tokens
cache_read_input_tokens cache_creation ephemeral_5m_input_tokens ephemeral_1h_input_tokens web_search_requests
output_tokens_details thinking_tokens created system_fingerprint obfuscation logprob bytes stop_reason stop_sequence
stop_details content_block candidates groundingMetadata groundingChunks groundingSupports groundingChunkIndices
confidenceScores segment startIndex endIndex searchEntryPoint renderedContent webSearchQueries retrievalMetadata web
uri citationMetadata citationSources urlContextMetadata finishReason finishMessage usageMetadata promptTokenCount
candidatesTokenCount totalTokenCount thoughtsTokenCount cachedContentTokenCount promptTokensDetails
candidatesTokensDetails modality tokenCount modelVersion responseId functionCall functionResponse args executableCode
codeExecutionResult outcome thoughtSignature inlineData safetyRatings category probability blocked promptFeedback
blockReason avgLogprobs logprobsResult serviceTier trafficType createTime caller_id event partial chat.completion
chat.completion.chunk content_filter length end_turn pause_turn direct message_start message_delta message_stop
content_block_start content_block_delta content_block_stop ping char_location STOP MAX_TOKENS SAFETY TEXT PYTHON
OUTCOME_OK ON_DEMAND NEGLIGIBLE LOW MEDIUM HIGH HARM_CATEGORY_HATE_SPEECH HARM_CATEGORY_DANGEROUS_CONTENT
HARM_CATEGORY_HARASSMENT HARM_CATEGORY_SEXUALLY_EXPLICIT
"""

WIRE = frozenset(_WORDS.split())
"""Members and values of the wire formats of OpenAI, Anthropic and Google, and of JSON Schema."""
