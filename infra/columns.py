"""The columns of the lake's tables, as Hive types; a test holds them to the event contract."""

CALLS = {
    "session_id": "string",
    "conversation_id": "string",
    "org_id": "string",
    "bot_id": "string",
    "bot_ids": "array<string>",
    "started_at": "string",
    "duration_ms": "bigint",
    "setup_ms": "bigint",
    "greeting_ms": "bigint",
    "end_reason": "string",
    "disposition": "string",
    "errors": "array<string>",
    "counts": (
        "struct<turns_caller:bigint,turns_agent:bigint,interruptions_by_caller:bigint,"
        "dtmf_events:bigint,tool_calls:bigint>"
    ),
    "answer_latency_ms": "array<bigint>",
    "barge_in_stop_ms": "array<bigint>",
    "setup": (
        "struct<is_cold:boolean,upgrade_ms:bigint,opened_ms:bigint,model_ready_ms:bigint,"
        "greeting_left_ms:bigint,greeting_heard_ms:bigint>"
    ),
    "answers": (
        "array<struct<at_ms:bigint,leaving_ms:bigint,audible_ms:bigint,"
        "endpointing_ms:bigint,model_ms:bigint,tools_ms:bigint,pacing_ms:bigint,"
        "own_ms:bigint>>"
    ),
    "barge_ins": "array<struct<at_ms:bigint,stop_ms:bigint,silent_ms:bigint>>",
    "tools": (
        "array<struct<name:string,at_ms:bigint,outcome:string,duration_ms:bigint,server:string>>"
    ),
    "connections": (
        "array<struct<provider:string,model:string,ready_ms:bigint,after:string,lost_ms:bigint>>"
    ),
    "transport": (
        "struct<frames_in:bigint,bytes_in:bigint,frames_out:bigint,bytes_out:bigint,"
        "underruns:bigint,rate_limited:bigint,dropped_in_ms:bigint>"
    ),
    "model": "string",
    "usage": "map<string,double>",
    "tokens": (
        "struct<input_text:bigint,input_audio:bigint,input_image:bigint,"
        "input_cached:bigint,output_text:bigint,output_audio:bigint>"
    ),
    "cost": (
        "struct<currency:string,total:double,parts:struct<input_text:double,"
        "input_audio:double,input_image:double,input_cached:double,output_text:double,"
        "output_audio:double,transcription:double>,unpriced:array<string>,"
        "price_date:string>"
    ),
    "privacy": "struct<retention:string,redactions:map<string,bigint>>",
    "output_variables": "map<string,string>",
    "dnis": "string",
    "language": "string",
    "participant_id": "string",
    "correlation_id": "string",
    "is_complete": "boolean",
}
TURNS = {
    "session_id": "string",
    "conversation_id": "string",
    "org_id": "string",
    "bot_id": "string",
    "turn_id": "string",
    "seq": "bigint",
    "speaker": "string",
    "start_ms": "bigint",
    "end_ms": "bigint",
    "text": "string",
    "text_generated": "string",
    "heard_ms": "bigint",
    "interrupted": "boolean",
    "recognised": "boolean",
    "item_id": "string",
    "latency": (
        "struct<at_ms:bigint,leaving_ms:bigint,audible_ms:bigint,endpointing_ms:bigint,"
        "model_ms:bigint,tools_ms:bigint,pacing_ms:bigint,own_ms:bigint>"
    ),
}
ANALYSES = {
    "specversion": "string",
    "id": "string",
    "source": "string",
    "type": "string",
    "subject": "string",
    "time": "string",
    "datacontenttype": "string",
    "sessionid": "string",
    "orgid": "string",
    "data": (
        "struct<session_id:string,conversation_id:string,org_id:string,bot_id:string,"
        "started_at:string,judge:string,model:string,prompt_version:string,status:string,"
        "status_reason:string,turns:bigint,turns_judged:bigint,judgement:struct<summary:string,"
        "intent:string,resolution:string,sentiments:array<struct<turn:bigint,sentiment:string>>,"
        "scorecard:array<struct<id:string,passed:boolean,reason:string,"
        "evidence_turns:array<bigint>>>>>"
    ),
}
"""`call.analysis.v1` as it is: there is such a document where somebody judges."""
